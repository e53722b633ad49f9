-- l2/tasks.lua: work that runs in the host's loop and leaves a result under an id, to
-- be fetched once. Each kind of work has an fd that is readable while results wait.
-- Used by l2.lua.

local Error = require "weir.core.error"
local Event = require "weir.l2.event"
local host = require "weir.host"

local Tasks = {}
Tasks.__index = Tasks


---@param kinds string[]
function Tasks.new(kinds)
  local self = setmetatable({
    ids = 0, running = 0, events = {}, results = {}, waiters = {},
  }, Tasks)
  for _, kind in ipairs(kinds) do
    self.events[kind], self.results[kind] = Event.new(), {}
  end
  return self
end


local function leave(self)
  self.running = self.running - 1
  local waiters = self.waiters
  self.waiters = {}
  for _, w in ipairs(waiters) do host.wake(w) end
end


local function finish(self, kind, id, bitmap, reply)
  self.results[kind][id] = { id = id, bitmap = bitmap, reply = reply }
  self.events[kind]:set(true)
  leave(self)
end


--- Starts work(...) that leaves no result. close waits for it, too.
function Tasks:start(work, ...)
  self.running = self.running + 1
  host.spawn(function(...)
    work(...)
    leave(self)
  end, ...)
end


--- Starts work(...) -> bitmap, reply, which must not raise. Returns its id, or nil and
--- an error once closed.
function Tasks:submit(kind, work, ...)
  if self.closed then return nil, Error.new("skipped", "the L2 adapter is closed") end
  self.ids = self.ids + 1
  self.running = self.running + 1
  local id = self.ids
  host.spawn(function(...) finish(self, kind, id, work(...)) end, ...)
  return id
end


--- The bitmap and reply of an id, once. nil before and after.
function Tasks:fetch(kind, id)
  local results = self.results[kind]
  local result = results[id]
  if not result then return nil end
  results[id] = nil
  if next(results) == nil then self.events[kind]:set(false) end
  return result.bitmap, result.reply
end


--- All results of a kind that wait, by id.
function Tasks:pop(kind)
  local list = {}
  for _, result in pairs(self.results[kind]) do list[#list + 1] = result end
  table.sort(list, function(a, b) return a.id < b.id end)
  self.results[kind] = {}
  self.events[kind]:set(false)
  return list
end


-- Waits while condition() holds, at most until a time. false: it still holds.
local function wait_while(self, by, condition)
  while condition() do
    local left = by and by - host.now()
    if left and left <= 0 then return false end
    local w = host.prepare()
    self.waiters[#self.waiters + 1] = w
    if not host.wait(w, left) then return not condition() end
  end
  return true
end


--- Waits until a result of a kind is there. false: not within `timeout` seconds.
function Tasks:wait(kind, timeout)
  return wait_while(self, timeout and host.now() + timeout, function()
    return next(self.results[kind]) == nil
  end)
end


--- Accepts no more tasks, waits for those that run, closes the fds.
function Tasks:close(timeout)
  self.closed = true
  local ended = wait_while(self, host.now() + timeout, function()
    return self.running > 0
  end)
  if not ended then
    local message = ("%d tasks of the L2 adapter still run"):format(self.running)
    return nil, Error.new("timeout", message)
  end
  for _, event in pairs(self.events) do event:close() end
  return true
end


return Tasks
