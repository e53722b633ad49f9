-- loading/state.lua: what fetch knows about a store on which it was used: which keys
-- are being loaded, which are absent, until when loaded values are fresh. It is made at
-- the first fetch and stays with the store.
--
-- From then on fetch sees the writes of the store: they run under the locks of their
-- keys (policy/shared/generations.lua). So a loaded value is stored only if its key was
-- not written since the loader began, and never during a write. A store on which fetch
-- is not used pays nothing.
--
-- How stale values are held. As the word ttl does, fetch sets a value with a time to
-- live of ttl plus the longest time that it may be served stale. The value itself has
-- no envelope, so get and other programs read it as it is. When a value stops being
-- fresh is kept here, for FRESH keys. For other keys (after a restart, or when another
-- process has loaded them) it is worked out from the time that the store says is left.

local Expiring = require "weir.policy.shared.expiring"
local Generations = require "weir.policy.shared.generations"
local host = require "weir.host"
local Op = require "weir.core.op"
local Request = require "weir.core.request"
local Store = require "weir.core.store"

local State = {}
State.__index = State

local FRESH = 65536   -- keys whose times are remembered; of others the store is asked
local ABSENT = 10000  -- keys known to be absent; over that the oldest is dropped
local PAUSED = 10000  -- keys whose load failed; over that the oldest may load again


-- Lets the state see the writes of its store. A touch writes no value.
local function watch(store, state)
  local run = store.run
  state.bare = run
  function store.run(self, req)
    if not Op.writes[req.op] then return run(self, req) end
    local reply
    if req.op == "touch" then
      reply = run(self, req)
    else
      reply = state.generations:write(self, req, run)
    end
    state:written(req)
    return reply
  end
  -- That of a store of C goes past run.
  store.set = Store.set
end


--- The state of a store.
---@param store weir.Store
function State.of(store)
  local state = rawget(store, "loading")
  if state then return state end
  state = setmetatable({ store = store, generations = Generations.new(), loads = {},
    absent = Expiring.new(ABSENT), fresh = Expiring.new(FRESH),
    paused = Expiring.new(PAUSED), guard = store.guard, tickets = Expiring.new(ABSENT),
    counts = { loads = 0, keys = 0, joined = 0, absent = 0, stale = 0, failed = 0,
      late = 0, superseded = 0, unstored = 0 } }, State)
  store.loading = state
  watch(store, state)
  return state
end


--- Runs a request of fetch itself, past the locks.
function State:run(op, keys, fields)
  local req = Request.new(op, keys)
  for name, value in pairs(fields) do req[name] = value end
  return self.bare(self.store, req)
end


--- Forgets what was known about keys that were written. Later callers do not join loads
--- that began before.
function State:written(req)
  for i = 1, req.n do
    local key = req.keys[i]
    self.loads[key] = nil
    self.absent:drop(key)
    self.fresh:drop(key)
    self.paused:drop(key)
  end
end


-- Whether a time of one of the tables lies ahead.
local function ahead(times, key)
  if times.count == 0 then return false end
  local by = times:get(key)
  return by ~= nil and by > host.now()
end


--- What fetch has counted, as Schema.FETCH says.
function State:tally()
  local facts = { loading = 0 }
  for name, n in pairs(self.counts) do facts[name] = n end
  for _ in pairs(self.loads) do facts.loading = facts.loading + 1 end
  return facts
end


--- Notes that there is no value until that time. ticket: that of the guard from before
--- the load, if the store has one.
function State:note_absent(key, by, ticket)
  self.absent:put(key, by)
  if self.guard then self.tickets:put(key, ticket) end
end


--- Whether a loader said lately that there is no value, and no process has written the
--- key since.
function State:is_absent(key)
  if not ahead(self.absent, key) then return false end
  local ticket = self.guard and (self.tickets:get(key) or 1)
  if not ticket or self.guard:good(key, ticket) then return true end
  self.absent:drop(key)
  return false
end


--- Whether a load of the key failed just now, so that an old value is served without
--- another attempt.
function State:is_paused(key)
  return ahead(self.paused, key)
end


--- Works out from the store's times to live until when values are fresh. keep: the
--- seconds that a value lives longer than it is fresh.
function State:learn(keys, keep, deadline)
  local now = host.now()
  local reply = self:run("stat", keys, { deadline = deadline })
  for i, key in ipairs(keys) do
    if reply[i] == "ok" then
      local left = reply:ttl(i)
      self.fresh:put(key, left and now + left - keep or math.huge)
    end
  end
end


return State
