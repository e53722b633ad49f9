-- replay/guard.lua: `os` and `math` as a policy file gets them in a replay. A file that
-- reads the wall clock, or draws from math.random, does not do the same in each run,
-- nor in virtual time what it does when it serves: it is noticed, and named in the
-- report.

local Guard = {}

-- What a file should use instead.
local CLOCKS = { time = true, clock = true, date = true }
local CHANCE = { random = true, randomseed = true }


-- Where in the user's file a function was called.
local function place()
  for level = 3, 10 do
    local info = debug.getinfo(level, "Sl")
    if not info then return "a policy" end
    if info.what ~= "C" and not info.source:find("weir/replay/guard", 1, true) then
      return ("%s:%d"):format(info.short_src, info.currentline)
    end
  end
end


local function noticed(module, names, found, advice)
  local guarded = setmetatable({}, { __index = module })
  local prefix = module == os and "os." or "math."
  for name in pairs(names) do
    guarded[name] = function(...)
      local text = ("%s: %s%s: %s"):format(place(), prefix, name, advice)
      found[text] = (found[text] or 0) + 1
      return module[name](...)
    end
  end
  return guarded
end


--- Words for load.lua's `stores`, and the list of what was noticed, filled as it runs.
---@return table words, table<string, integer> found
function Guard.words()
  local found = {}
  return {
    os = noticed(os, CLOCKS, found,
      "reads the wall clock, not the time of the replay; require('weir').now() does"),
    math = noticed(math, CHANCE, found,
      "is not the host's chance; prob(p) or require('weir.host').random() is"),
  }, found
end


--- The sentences, in order.
function Guard.list(found)
  local list = {}
  for text in pairs(found) do list[#list + 1] = text end
  table.sort(list)
  return list
end


return Guard
