-- core/many.lua: the verbs over lists of keys. Each returns a reply with a slot for
-- every key. They are methods of store.lua.

local ffi = require "ffi"
local check_method = require "weir.core.method"
local options = require "weir.core.options"
local Request = require "weir.core.request"
local status = require "weir.core.status"

local ffi_copy = ffi.copy
local class = status.class
local many = Request.new

---@class weir.Store
local Many = {}

-- Errors of the request point at the caller of the verb.
local VERB = 2


-- Makes the request of a verb for a list of keys.
local function request(self, op, keys, opts)
  check_method(self, op .. "_many", VERB + 1)
  local req = many(op, keys, opts, VERB + 1)
  return req
end


-- The reply of a *_many verb: a slot for every key, also for one that came twice.
local function finish(req, reply)
  if req.positions then reply = reply:expand(req.positions) end
  if req.prefix then
    local lead = 0
    while lead < reply.n and class[reply[lead + 1]] == "good" do lead = lead + 1 end
    reply.lead = lead
  end
  return reply
end


--- Reads the values of a list of keys. A key that comes twice is requested once.
---@param keys string[]
---@param opts { timeout: weir.Seconds?, deadline: number?, prefix: boolean? }?
---@return weir.Reply
function Many:get_many(keys, opts)
  local req = request(self, "get", keys, opts)
  return finish(req, self:run(req))
end


--- Stores values[i] under keys[i]; of a key that comes twice, the last value.
---@param keys string[]
---@param values (string|weir.Value|ffi.cdata*|table)[]
---@param opts { ttl: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return weir.Reply
function Many:set_many(keys, values, opts)
  local req = request(self, "set", keys, opts)
  req:with_values(values, #keys, VERB)
  return finish(req, self:run(req))
end


---@param keys string[]
---@param opts { timeout: weir.Seconds?, deadline: number?, prefix: boolean? }?
---@return weir.Reply
function Many:exists_many(keys, opts)
  local req = request(self, "exists", keys, opts)
  return finish(req, self:run(req))
end


---@param keys string[]
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return weir.Reply
function Many:delete_many(keys, opts)
  local req = request(self, "delete", keys, opts)
  return finish(req, self:run(req))
end


---@param keys string[]
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return weir.Reply
function Many:stat_many(keys, opts)
  local req = request(self, "stat", keys, opts)
  return finish(req, self:run(req))
end


---@param keys string[]
---@param ttl weir.Seconds? seconds or "10m"; nil: for ever
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return weir.Reply
function Many:touch_many(keys, ttl, opts)
  local req = request(self, "touch", keys, opts)
  req.ttl = options.seconds("a time to live", ttl, VERB)
  return finish(req, self:run(req))
end


-- Copies the value of a key that came twice to its other buffers. It was read into one
-- of them.
local function copy_duplicates(req, reply)
  for i = 1, reply.n do
    local lent = req.lent[i]
    local from = req.buffers[req.positions[i]]
    if reply[i] == "ok" and lent.pointer ~= from then
      local size = reply:size(i)
      if size <= lent.cap then
        ffi_copy(lent.pointer, from, size)
      else
        reply:set(i, "toobig")
      end
    end
  end
end


--- Reads values[i] into buffers[i]; reply:size(i) says how much.
---@param keys string[]
---@param buffers (ffi.cdata*|table)[]
---@param opts { timeout: weir.Seconds?, deadline: number?, prefix: boolean? }?
---@return weir.Reply
function Many:get_into_many(keys, buffers, opts)
  check_method(self, "get_into_many", VERB)
  local req = request(self, "get", keys, opts)
  req:with_buffers(buffers, #keys, VERB)
  local reply = finish(req, self:run(req))
  if req.positions then copy_duplicates(req, reply) end
  return reply
end


return Many
