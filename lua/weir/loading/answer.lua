-- loading/answer.lua: answers a fetch: looks at what the store has, serves old values,
-- loads the rest. Used by fetch.lua, which says what the options mean.

local host = require "weir.host"
local Load = require "weir.loading.load"
local Reply = require "weir.core.reply"
local State = require "weir.loading.state"
local status = require "weir.core.status"

-- ---- what the store has ----

-- Reads the slots that are not known to be absent.
local function look_up(self, state, req)
  local slots, absent = {}, {}
  for i = 1, state.absent.count > 0 and req.n or 0 do
    local list = state:is_absent(req.keys[i]) and absent or slots
    list[#list + 1] = i
  end
  if #absent == 0 then return self:run(req) end
  state.counts.absent = state.counts.absent + #absent
  local reply = Reply.uniform(req, "miss")
  if #slots > 0 then reply:place(self:run(req:subset(slots)), slots) end
  return reply, absent
end


-- A key that was missing may have been loaded or written while the store was asked. The
-- store is asked once more for such keys. Notes in `since` from when the answers are.
local function look_again(self, state, req, reply, since)
  local slots = {}
  for i = 1, req.n do
    if status.class[reply[i]] ~= "good"
      and state.generations:written_since(req.keys[i], since[i]) then
      slots[#slots + 1], since[i] = i, state.generations:now()
    end
  end
  if #slots > 0 then reply:place(self:run(req:subset(slots)), slots) end
end


-- The slots with a value whose time is not known, or past and to be loaded by this
-- caller: the store is asked, since another process may have loaded it.
local function unsure(state, req, reply, now)
  local keys = {}
  for i = 1, req.n do
    local key = req.keys[i]
    local by = status.class[reply[i]] == "good" and (state.fresh:get(key) or 0)
    if by and by <= now and not state.loads[key] and not state:is_paused(key) then
      keys[#keys + 1] = key
    end
  end
  return keys
end


-- Until when each slot's value is fresh.
local function times_of(state, req, reply, how)
  local keys, times = unsure(state, req, reply, host.now()), {}
  if #keys > 0 then state:learn(keys, how.keep, how.by) end
  for i = 1, req.n do times[i] = state.fresh:get(req.keys[i]) or math.huge end
  return times
end


-- Sorts the slots:
--   missing  to be loaded
--   old      those of them with a value that is served if the loader fails
--   behind   values that are served, to be loaded in the background
local function sort(state, req, reply, how, absent)
  local missing, old, behind, known = {}, {}, {}, {}
  for _, i in ipairs(absent or {}) do known[i] = true end
  local times = how.keep > 0 and times_of(state, req, reply, how)
  local now = host.now()
  for i = 1, req.n do
    local late = times and now - times[i]
    if status.class[reply[i]] ~= "good" then
      if not known[i] and not state:is_absent(req.keys[i]) then
        missing[#missing + 1] = i
      end
    elseif late and late >= 0 then
      if late < (how.stale_while or 0) then
        behind[#behind + 1] = i
      else
        missing[#missing + 1], old[i] = i, true
      end
    end
  end
  return missing, old, behind
end


-- ---- loading ----

-- Begins the load of some slots.
local function start(state, req, slots, loader, how, old, deadline)
  local keys, has_old, since = {}, {}, {}
  for at, i in ipairs(slots) do
    keys[at], has_old[at], since[at] = req.keys[i], old[i], how.since[i]
  end
  return Load.start(state, keys, loader, how, has_old, since, deadline)
end


-- Joins the loads under way, and begins one for all other slots. Returns the load of
-- each slot.
local function join_or_start(state, req, slots, loader, how, old)
  local loads, mine, joined = {}, {}, {}
  local caller = { left = 0, waiter = host.prepare() }
  for _, i in ipairs(slots) do
    local load = state.loads[req.keys[i]]
    loads[i] = load
    if not load then
      mine[#mine + 1] = i
    else
      state.counts.joined = state.counts.joined + 1
      if not joined[load] then load:join(caller) end
      joined[load] = true
    end
  end
  if #mine > 0 then
    local load = start(state, req, mine, loader, how, old, how.by)
    for _, i in ipairs(mine) do loads[i] = load end
    load:join(caller, true)
  end
  Load.wait(caller, how.by)
  return loads
end


-- Serves the old value of a slot, if there is one.
local function serve_old(state, reply, i, old)
  local held = reply.held and reply.held[i]
  if not held and not old then return false end
  if held then reply:set(i, "ok", { value = held }) end
  state.counts.stale = state.counts.stale + 1
  reply:set(i, "ok", { stale = true })
  return true
end


-- Puts the result of a load into a slot. old: its value may be served if there is none.
local function settle(self, state, reply, i, load, key, old)
  local j = load.slot[key]
  local value, failure = load.values and load.values[j], load.errors and load.errors[j]
  if value then return reply:set(i, "ok", { value = value }) end
  if load.values and not failure and not load.late then
    reply:drop(i)
    return reply:set(i, "miss")
  end
  if serve_old(state, reply, i, old) then return end
  reply:drop(i)
  reply:set(i, failure and "failed" or "timeout", { store = self.name,
    message = failure or self.name .. ": the loader did not return in time" })
end


-- Answers slots for which there is no time left.
local function expire(self, state, reply, slots, old)
  for _, i in ipairs(slots) do
    local served = serve_old(state, reply, i, old[i])
    if not served and status.class[reply[i]] ~= "error" then
      reply:set(i, "timeout", { store = self.name,
        message = self.name .. ": no time left to load" })
    end
  end
end


-- Loads the slots that are missing. A load may end for want of time although this
-- caller has some left: then it joins or begins another.
local function load_missing(self, state, req, reply, slots, loader, how, old)
  local left = slots
  repeat
    if how.by <= host.now() then return expire(self, state, reply, left, old) end
    local loads, late = join_or_start(state, req, left, loader, how, old), {}
    local over = how.by <= host.now()
    for _, i in ipairs(left) do
      if loads[i].late and not over and not old[i] then
        late[#late + 1] = i
      else
        settle(self, state, reply, i, loads[i], req.keys[i], old[i])
      end
    end
    left = late
  until #left == 0
end


-- Serves old values, and begins a load of those that nobody loads.
local function load_behind(state, req, reply, slots, loader, how)
  local mine, old = {}, {}
  for _, i in ipairs(slots) do
    local key = req.keys[i]
    if not state.loads[key] and not state:is_paused(key) then mine[#mine + 1] = i end
    reply:set(i, "ok", { stale = true })
    old[i] = true
  end
  state.counts.stale = state.counts.stale + #slots
  if #mine == 0 then return end
  start(state, req, mine, loader, how, old, host.now() + how.seconds)
end


-- Serves old values whose load failed just now.
local function serve_paused(state, req, reply, missing, old)
  local left = {}
  for _, i in ipairs(missing) do
    local paused = old[i] and state:is_paused(req.keys[i])
    if not paused or not serve_old(state, reply, i, true) then left[#left + 1] = i end
  end
  return left
end


--- Answers the request of a fetch.
return function(self, req, loader, how)
  local state = State.of(self)
  req.deadline = how.by
  -- 1. What the store has, and what is known to be absent.
  for i = 1, req.n do how.since[i] = state.generations:now() end
  local reply, absent = look_up(self, state, req)
  if how.keep == 0 and reply:all "good" then return reply end
  look_again(self, state, req, reply, how.since)
  -- 2. Values that may be served stale.
  local missing, old, behind = sort(state, req, reply, how, absent)
  if #behind > 0 then load_behind(state, req, reply, behind, loader, how) end
  if next(old) then missing = serve_paused(state, req, reply, missing, old) end
  -- 3. The rest is loaded, in one call.
  if #missing > 0 then
    load_missing(self, state, req, reply, missing, loader, how, old)
  end
  return reply
end
