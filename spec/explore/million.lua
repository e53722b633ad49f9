-- million.lua: runs the exploring commands over a store of a million keys, inside
-- `weir run`; a line each: name, seconds to its first line, MiB that the process
-- grew by at most. Argument: a URL, whose store is filled when it is empty.
local View = require "weir.app.explore.view"
local Host = require "weir.host"
local weir = require "weir"

local KEYS, BATCH = 1000000, 1000


local function fill(store)
  if store:scan {}() then return end
  local keys, values = {}, {}
  for i = 1, BATCH do values[i] = "value" end
  for first = 1, KEYS, BATCH do
    for i = 1, BATCH do
      local n = first + i - 1
      keys[i] = ("k%d:%d"):format(n % 1000, n)
    end
    assert(store:set_many(keys, values):all "good")
  end
end


local function memory(field)
  for line in io.lines "/proc/self/status" do
    local kib = line:match("^" .. field .. ":%s*(%d+)")
    if kib then return tonumber(kib) / 1024 end
  end
end


-- The high-water mark begins anew.
local function reset_peak()
  local file = assert(io.open("/proc/self/clear_refs", "w"))
  file:write "5"
  file:close()
end


local function measure(name, args)
  local command = require("weir.app.explore." .. name)
  for _, rows in ipairs { command.arguments, command.options or {} } do
    for _, row in ipairs(rows) do
      if args[row.name] == nil then args[row.name] = row.default end
    end
  end
  local first
  local view = View.new {
    quiet = true, remark = function() end,
    print = function() first = first or Host.now() end,
  }
  collectgarbage()
  collectgarbage()
  reset_peak()
  local before, begun = memory "VmRSS", Host.now()
  command.run(view, args)
  print(name, first - begun, memory "VmHWM" - before)
end


local store, null = weir.open((...)), weir.null {}
fill(store)
local key = store:scan {}()
for _, name in ipairs { "head", "hex", "where", "trace", "tree", "stats" } do
  measure(name, { store = store, key = key })
end
measure("explain", { store = store, key = key, op = "get" })
measure("ls", { store = store })
measure("ls", { store = store, pattern = "*77", limit = 10 })
measure("lat", { store = store, n = 20 })
measure("big", { store = store })
measure("du", { store = store })
measure("cp", { store = store, other = null, prefix = key:sub(1, 3) })
measure("diff", { store = store, other = store, prefix = key:sub(1, 3) })
store:close()
