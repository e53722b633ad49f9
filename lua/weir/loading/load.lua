-- loading/load.lua: one call of a loader for one or more keys, and the callers that
-- wait for it. All callers of a key share a load.
--
-- The loader runs in a task of its own, so a caller that is killed or leaves at its
-- deadline harms no other. A load has a deadline, that of the caller who began it. A
-- loader that has not returned by then is killed where it waits. Callers with time left
-- begin another load. After a write of a key later callers do not join its load.
--
-- Then the values are stored, under the locks of their keys. A caller that comes or
-- whose time ends meanwhile gets the value without waiting for the store.

local host = require "weir.host"
local Lease = require "weir.loading.lease"
local Loaded = require "weir.policy.shared.loaded"
local status = require "weir.core.status"
local Value = require "weir.core.value"

local Load = {}
Load.__index = Load

local PATIENCE = 10 -- seconds that storing may take
local PAUSE = 1     -- seconds after a failed load in which an old value is served


-- ---- storing ----

-- The slots whose keys were not written since the load began, and are not being written
-- now. Locks their keys.
local function lock_quiet(self, slots)
  local generations, quiet = self.state.generations, {}
  for _, j in ipairs(slots) do
    local key = self.keys[j]
    if not generations:written_since(key, self.since[j]) and generations:try(key) then
      quiet[#quiet + 1] = j
    else
      self.state.counts.superseded = self.state.counts.superseded + 1
    end
  end
  return quiet
end


local function keys_of(self, slots)
  local keys = {}
  for at, j in ipairs(slots) do keys[at] = self.keys[j] end
  return keys
end


-- The tickets of some slots, from before the load; nil: the store has no guard.
local function tickets_of(self, slots)
  if not self.state.guard then return nil end
  local tickets = {}
  for at, j in ipairs(slots) do tickets[at] = self.tickets[j] end
  return tickets
end


-- Deletes what may be left of values: old ones of keys that are absent now, and those
-- of sets without an answer. tickets: what another process has set meanwhile stays.
local function delete(self, slots, tickets)
  if #slots == 0 then return end
  self.state:run("delete", keys_of(self, slots), { deadline = host.now() + PATIENCE,
    tickets = tickets })
end


local function set(self, slots)
  if #slots == 0 then return end
  local values, how, state = {}, self.how, self.state
  for at, j in ipairs(slots) do values[at] = self.found[j] end
  local ttl, tickets = how.ttl and how.ttl + how.keep, tickets_of(self, slots)
  local reply = state:run("set", keys_of(self, slots),
    { values = values, ttl = ttl, deadline = host.now() + PATIENCE, tickets = tickets,
      undo = tickets and true })
  local by, doubtful = how.keep > 0 and host.now() + how.ttl, {}
  for at, j in ipairs(slots) do
    if reply[at] == "ok" then
      if by then state.fresh:put(self.keys[j], by) end
    elseif state.guard and reply[at] == "skipped" then
      state.counts.superseded = state.counts.superseded + 1
    else
      state.counts.unstored = state.counts.unstored + 1
      if status.applied[reply[at]] == "maybe" then doubtful[#doubtful + 1] = j end
    end
  end
  if not tickets then delete(self, doubtful) end
end


-- Notes the absent keys. Returns those that had an old value.
local function note_absent(self, slots)
  local old, by = {}, self.how.neg_ttl and host.now() + self.how.neg_ttl
  for _, j in ipairs(slots) do
    if by then self.state:note_absent(self.keys[j], by, self.tickets[j]) end
    if self.old[j] then old[#old + 1] = j end
  end
  return old
end


local function store_all(self, slots)
  local present, absent = {}, {}
  for _, j in ipairs(slots) do
    if self.found[j] then
      present[#present + 1] = j
    elseif not self.failed[j] then
      absent[#absent + 1] = j
    end
  end
  present, absent = lock_quiet(self, present), lock_quiet(self, absent)
  local ok, err = pcall(function()
    set(self, present)
    local old = note_absent(self, absent)
    delete(self, old, tickets_of(self, old))
  end)
  for _, list in ipairs { present, absent } do
    self.state.generations:bump { n = #list, keys = keys_of(self, list) }
    for _, j in ipairs(list) do self.state.generations:free(self.keys[j]) end
  end
  if not ok then error(err, 0) end
end


-- ---- the load ----

local function finish(self)
  self.over = true
  local loads = self.state.loads
  for _, key in ipairs(self.keys) do
    if loads[key] == self then loads[key] = nil end
  end
  for _, caller in ipairs(self.callers) do
    caller.left = caller.left - 1
    if caller.left == 0 then host.wake(caller.waiter) end
  end
end


-- Notes what the loader returned for some slots. Callers share one copy of a value.
local function keep(self, slots, values, errors)
  local counts = self.state.counts
  for at, j in ipairs(slots) do
    local value = values[at]
    if type(value) == "string" then value = Value.new(value) end
    self.found[j], self.failed[j] = value, errors[at]
    if errors[at] then
      counts.failed = counts.failed + 1
      self.state.paused:put(self.keys[j], host.now() + PAUSE)
    end
  end
end


-- Calls the loader for some slots.
local function call(self, loader, slots)
  local ok, values, errors = pcall(Loaded.call, "fetch", loader, keys_of(self, slots))
  if self.over then return false end
  if not ok then self.late = true return false, values end
  keep(self, slots, values, errors)
  return true
end


-- From now on callers get what was found, and the load does not end for want of time.
local function publish(self)
  if self.timer then self.timer:cancel() end
  self.values, self.errors = self.found, self.failed
end


-- Loads and stores what no other process loads, then waits for those that do. Returns
-- the slots that are left.
local function round(self, loader, slots)
  local mine, others = Lease.take(self, slots)
  local ok, err = true, nil
  if #mine > 0 then ok, err = call(self, loader, mine) end
  if self.over then return {} end
  if #others == 0 or not ok then publish(self) end
  if ok then ok, err = pcall(store_all, self, mine) end
  Lease.settle(self)
  if not ok then error(err, 0) end
  local left, waiting = Lease.await(self, others)
  for _, j in ipairs(waiting) do left[#left + 1] = j end
  return left
end


local function body(self, loader)
  local slots, ok = {}, true
  for j = 1, #self.keys do slots[j] = j end
  while ok and #slots > 0 do
    ok, slots = pcall(round, self, loader, slots)
    if self.over then return end
  end
  publish(self)
  finish(self)
  if not ok then error(slots, 0) end
end


-- Ends a load whose loader has not returned in time.
local function give_up(self)
  if self.over or self.values then return end
  self.late, self.values, self.errors = true, {}, {}
  self.state.counts.late = self.state.counts.late + 1
  for _, key in ipairs(self.keys) do self.state.paused:put(key, host.now() + PAUSE) end
  Lease.settle(self)
  finish(self)
  host.kill(self.task)
end


--- Begins to load keys. how: ttl, neg_ttl, and keep, the seconds for which a value is
--- kept longer than ttl. old: the slots that have an old value. deadline: until when
--- the loader may take. since: for each slot the clock of the generations before the
--- store was asked.
function Load.start(state, keys, loader, how, old, since, deadline)
  local self = setmetatable({ state = state, keys = keys, how = how, old = old,
    since = since, callers = {}, slot = {}, found = {}, failed = {}, tickets = {},
    leases = {}, theirs = {}, deadline = deadline,
    seconds = math.max(deadline - host.now(), 0) }, Load)
  for j, key in ipairs(keys) do
    self.slot[key] = j
    state.loads[key] = self
  end
  state.counts.loads = state.counts.loads + 1
  state.counts.keys = state.counts.keys + #keys
  self.task = host.spawn(body, self, loader)
  if not self.over and not self.values then
    self.timer = host.timer(math.max(deadline - host.now(), 0), function()
      give_up(self)
    end)
  end
  return self
end


--- Lets a caller wait for the load. caller.left counts the loads it waits for. The
--- caller that leads also waits until the values are stored.
function Load:join(caller, leads)
  if self.over or self.values and not leads then return end
  caller.left = caller.left + 1
  self.callers[#self.callers + 1] = caller
end


--- Waits until all the loads of a caller are over, or until its deadline.
function Load.wait(caller, deadline)
  if caller.left == 0 then return end
  host.wait(caller.waiter, math.max(deadline - host.now(), 0))
end


return Load
