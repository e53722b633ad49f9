-- native/roster.lua: the open stores of this Lua state that have workers. Each has
-- threads and connections, so a program that opens one for each request, and drops it,
-- would run out of both. Two things prevent that: the collector closes a store that
-- nothing refers to (native.lua), and at most MOST stores with the same options may be
-- open at a time.

local Roster = {}

local MOST = 32

-- Sets of stores by target and options. A set lives as long as one of its stores.
local sets = setmetatable({}, { __mode = "v" })
local WEAK = { __mode = "k" }


local function key_of(target, names, values)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = name .. "=" .. values[i] end
  table.sort(parts)
  return target .. "\0" .. table.concat(parts, "\0")
end


local function count(set)
  local n = 0
  for _ in pairs(set or {}) do n = n + 1 end
  return n
end


--- Whether one more store may be opened with these options; nil and why not. If there
--- are too many, a collection closes those that nothing refers to.
---@return boolean? room, string? why
function Roster.has_room(target, names, values)
  local key = key_of(target, names, values)
  if count(sets[key]) < MOST then return true end
  collectgarbage()
  if count(sets[key]) < MOST then return true end
  return nil, MOST .. " stores with these options are open already, each with threads "
    .. "and connections of its own: open one when the program starts (in nginx: in "
    .. "init_worker_by_lua, or at the top of a module) and use it everywhere"
end


--- Adds a store that was opened with these options.
function Roster.enter(store, target, names, values)
  local key = key_of(target, names, values)
  local set = sets[key]
  if not set then
    set = setmetatable({}, WEAK)
    sets[key] = set
  end
  set[store], store.roster = true, set
end


--- Removes a store that is being closed.
function Roster.leave(store)
  if store.roster then store.roster[store] = nil end
end


--- All open stores.
---@return weir.Native[]
function Roster.all()
  local list = {}
  for _, set in pairs(sets) do
    for store in pairs(set) do list[#list + 1] = store end
  end
  return list
end


return Roster
