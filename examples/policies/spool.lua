-- A store that is down while keys are deleted: has it the old values when it is back?
-- Without spool it has, for ever. With spool the deletes wait in a file, and are made
-- when the store is back. A key that was set meanwhile keeps its value.
--
--     build/weir run examples/policies/spool.lua
--
--                              without spool   with spool
--     deletes acknowledged                 0          100
--     old values read, down                0            0
--     old values read, back              100            0
--     old values in the store             90            0
--     new values in the store             10           10
local weir = require "weir"


local function try(spooled)
  local far, down = weir.memory {}, false
  local gate = weir.policy {
    children = { far },
    run = function(_, req)
      return down and weir.fail "unavailable":run(req) or far:run(req)
    end,
  }
  local folder = os.tmpname()
  os.remove(folder)
  local store = spooled and gate:spool { path = folder, every = 0.01 } or gate

  local keys, values = {}, {}
  for i = 1, 100 do keys[i], values[i] = "user:" .. i, "old" end

  local function count(value, from)
    local n, reply = 0, from:get_many(keys)
    for i = 1, #keys do n = n + (reply:string(i) == value and 1 or 0) end
    return n
  end

  local found = {}
  store:set_many(keys, values)
  down = true
  found[1] = store:delete_many(keys):count "good"
  found[2] = count("old", store)
  down = false
  found[3] = count("old", store)
  for i = 1, 10 do store:set(keys[i], "new") end
  store:flush()
  found[4], found[5] = count("old", far), count("new", far)
  store:close()
  os.execute("rm -rf " .. folder)
  return found
end


local without, with = try(false), try(true)
print(("%-24s %13s %12s"):format("", "without spool", "with spool"))
for i, name in ipairs { "deletes acknowledged", "old values read, down",
  "old values read, back", "old values in the store", "new values in the store" } do
  print(("%-24s %13d %12d"):format(name, without[i], with[i]))
end
