-- host/ngx/alone.lua: alone(copies, shared): a worker of nginx uses copies of its own
-- only while it is the only worker. For policy files:
--
--     local alone = require "weir.host.ngx.alone"
--     local copies = tier { memory {}, disk, write = "around" }
--     return alone(copies, disk)
--
-- `copies` is a store over `shared` that keeps copies in this worker's memory, and
-- deletes a copy when its key is written: a tier with write = "around". Other workers
-- do not notice that, and there can be others: `worker_processes`, and after each
-- reload, when the old worker and the new one both serve for a while. So:
--
-- - A worker registers before its first request: its pid, and one more in `started`.
-- - It reads from `shared`, and so makes no copies, until no other worker is alive.
--   Then it reads through `copies`.
-- - When `started` has changed since then, another worker is or was there, and the
--   copies may be old. The worker reads from `shared` again, until it ends.
-- - It writes through `copies` all the time: the tier must know of each write, so that
--   it makes no copy of what was read before.
--
-- The register is a lua_shared_dict, which outlives a reload; nginx.conf needs
-- `lua_shared_dict weir_workers 64k;`. Outside of nginx there is one process, and it
-- uses its copies.

local Custom = require "weir.language.own"
local Ffi = require "weir.ffi"
local Op = require "weir.core.op"
local ffi = require "ffi"

local C = Ffi.system(nil, [[
int weir_kill(int, int) __asm__("kill");
]])

local ESRCH = 3 -- there is no such process

-- Seconds between two checks whether the other workers are alive.
local PAUSE = 0.05

local dict        -- the register; nil outside of nginx
local using       -- the value of `started` when this worker began to use copies
local retired     -- this worker has used copies, and must not any more
local looked = 0  -- the time of the last check


-- Registers this process, unless it is the master, which only checks the policy file.
local function register()
  if dict or not ngx or ngx.get_phase() == "init" then return end
  dict = ngx.shared.weir_workers
    or error("alone: nginx.conf needs: lua_shared_dict weir_workers 64k;", 0)
  dict:set("pid " .. ngx.worker.pid(), true)
  dict:incr("started", 1, 0)
end


local function is_dead(pid)
  return C.weir_kill(pid, 0) < 0 and ffi.errno() == ESRCH
end


local function others_live()
  for _, key in ipairs(dict:get_keys(0)) do
    local pid = tonumber(key:match "^pid (%d+)$")
    if pid and pid ~= ngx.worker.pid() then
      if not is_dead(pid) then return true end
      dict:delete(key)
    end
  end
  return false
end


-- Whether this worker may use copies.
local function is_alone()
  if not dict then return true end
  local started = dict:get "started"
  if using then
    if using == started then return true end
    using, retired = nil, true
  end
  local now = ngx.now()
  if retired or now - looked < PAUSE then return false end
  looked = now
  -- A worker that starts after this changes `started`, and so ends the use of copies.
  if others_live() then return false end
  using = started
  return true
end


--- Makes the store.
---@param copies weir.Store
---@param shared weir.Store the one that `copies` ends in
---@return weir.Store
return function(copies, shared)
  register()
  return Custom.new {
    name = "alone", children = { copies },
    bounded = copies.bounded and shared.bounded,
    run = function(_, req)
      if Op.lookups[req.op] and not is_alone() then return shared:run(req) end
      return copies:run(req)
    end,
    plan = function(_, op)
      if Op.lookups[op] and not is_alone() then
        return "there are other workers: past the memory", { shared }
      end
      local why = Op.lookups[op] and "the only worker" or "writes delete the copy"
      return why, { copies }
    end,
  }
end
