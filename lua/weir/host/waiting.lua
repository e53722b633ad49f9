-- host/waiting.lua: describes waiting tasks: where each waits, and for which other.
-- Used by virtual.lua when no task can run any more.

local Waiting = {}

-- How many tasks are described: a deadlock of thousands has few kinds.
local MOST = 20


local function place(info)
  return ("%s:%d"):format(info.short_src, info.currentline or info.linedefined)
end


-- The first line of a waiting coroutine that is no part of a host.
local function waits_at(co)
  local level = 0
  while true do
    local info = debug.getinfo(co, level, "Sl")
    if not info then return "an unknown place" end
    if info.what ~= "C" and not info.source:find("weir/host", 1, true) then
      return place(info)
    end
    level = level + 1
  end
end


-- The line of the user's own file that waits, where that is another one.
local function on_behalf_of(co)
  local level = 0
  while true do
    local info = debug.getinfo(co, level, "Sl")
    if not info then return nil end
    if info.what ~= "C" and not info.source:find("lua/weir/", 1, true) then
      return place(info)
    end
    level = level + 1
  end
end


local function name(task)
  local info = debug.getinfo(task.fn, "S")
  return ("task %d (%s:%d)"):format(task.id, info.short_src, info.linedefined)
end


local function whom(waiter)
  local awaits = waiter and waiter.awaits
  if type(awaits) == "table" then return name(awaits) end
  return awaits or "a wake-up"
end


local function sentence(task)
  local at, user = waits_at(task.coroutine), on_behalf_of(task.coroutine)
  return ("  %s waits for %s at %s%s"):format(name(task), whom(task.waiter), at,
    user and user ~= at and ", called at " .. user or "")
end


--- One line a task that waits without a limit of time, the oldest first.
---@param tasks table a set of tasks
---@return string
function Waiting.describe(tasks)
  local list, lines = {}, {}
  for task in pairs(tasks) do
    local waiter = task.waiter
    if waiter and waiter.task and not waiter.timer then list[#list + 1] = task end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  for i = 1, math.min(#list, MOST) do lines[i] = sentence(list[i]) end
  if #list > MOST then lines[MOST + 1] = ("  and %d more"):format(#list - MOST) end
  return table.concat(lines, "\n")
end


return Waiting
