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


-- Deletes what may be left of values: old ones of keys that are absent now, and those
-- of sets without an answer.
local function delete(self, slots)
  if #slots == 0 then return end
  self.state:run("delete", keys_of(self, slots), { deadline = host.now() + PATIENCE })
end


local function set(self, slots)
  if #slots == 0 then return end
  local values, how, state = {}, self.how, self.state
  for at, j in ipairs(slots) do values[at] = self.values[j] end
  local ttl = how.ttl and how.ttl + how.keep
  local reply = state:run("set", keys_of(self, slots),
    { values = values, ttl = ttl, deadline = host.now() + PATIENCE })
  local by, doubtful = how.keep > 0 and host.now() + how.ttl, {}
  for at, j in ipairs(slots) do
    if reply[at] == "ok" then
      if by then state.fresh:put(self.keys[j], by) end
    else
      state.counts.unstored = state.counts.unstored + 1
      if status.applied[reply[at]] == "maybe" then doubtful[#doubtful + 1] = j end
    end
  end
  delete(self, doubtful)
end


-- Notes the absent keys. Returns those that had an old value.
local function note_absent(self, slots)
  local old, by = {}, self.how.neg_ttl and host.now() + self.how.neg_ttl
  for _, j in ipairs(slots) do
    if by then self.state.absent:put(self.keys[j], by) end
    if self.old[j] then old[#old + 1] = j end
  end
  return old
end


local function store_all(self)
  local present, absent = {}, {}
  for j = 1, #self.keys do
    if self.values[j] then
      present[#present + 1] = j
    elseif not self.errors[j] then
      absent[#absent + 1] = j
    end
  end
  present, absent = lock_quiet(self, present), lock_quiet(self, absent)
  local ok, err = pcall(function()
    set(self, present)
    delete(self, note_absent(self, absent))
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


-- Callers share one copy of a value.
local function keep(self, values, errors)
  local counts = self.state.counts
  for j, value in pairs(values) do
    if type(value) == "string" then values[j] = Value.new(value) end
  end
  for j in pairs(errors) do
    counts.failed = counts.failed + 1
    self.state.paused:put(self.keys[j], host.now() + PAUSE)
  end
  self.values, self.errors = values, errors
end


local function body(self, loader)
  local list = { unpack(self.keys) }
  local ok, values, errors = pcall(Loaded.call, "fetch", loader, list)
  if self.over then return end
  if self.timer then self.timer:cancel() end
  if not ok then values, errors = {}, {} self.late = true end
  keep(self, values, errors)
  if ok then ok, values = pcall(store_all, self) end
  finish(self)
  if not ok then error(values, 0) end
end


-- Ends a load whose loader has not returned in time.
local function give_up(self)
  if self.over or self.values then return end
  self.late, self.values, self.errors = true, {}, {}
  self.state.counts.late = self.state.counts.late + 1
  for _, key in ipairs(self.keys) do self.state.paused:put(key, host.now() + PAUSE) end
  finish(self)
  host.kill(self.task)
end


--- Begins to load keys. how: ttl, neg_ttl, and keep, the seconds for which a value is
--- kept longer than ttl. old: the slots that have an old value. deadline: until when
--- the loader may take. since: for each slot the clock of the generations before the
--- store was asked.
function Load.start(state, keys, loader, how, old, since, deadline)
  local self = setmetatable({ state = state, keys = keys, how = how, old = old,
    since = since, callers = {}, slot = {} }, Load)
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
