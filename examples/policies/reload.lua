-- A policy file that changes while traffic runs: the memory keeps its contents, no
-- operation fails, a bad file changes nothing, and one step back is always there.
--
--     build/weir run examples/policies/reload.lua
--
--     the same file        reloaded  contents kept
--     with policies on top reloaded  contents kept
--     a bad word           refused   contents kept
--       line 1: no word "memroy"; did you mean "memory"?
--     1,000 keys a second  reloaded  contents kept
--     undone: deadline > negative > memory
--     thousands of operations, 0 failed
local weir = require "weir"

local path = os.tmpname()

local function write(text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

write [[ return memory { capacity = "8MiB" } ]]
local store = weir.load(path)
local done, failed, stop = 0, 0, false

local traffic = weir.spawn(function()
  while not stop do
    local key = "key" .. done % 100
    local good = store:set(key, "value") and store:get(key)
    done, failed = done + 1, failed + (good and 0 or 1)
    if done % 100 == 0 then weir.sleep(0) end
  end
end)

local function step(what, text)
  write(text)
  local ok, why = store:reload()
  if why then why = why:gsub("^%S*:(%d+:)", "line %1") end
  weir.sleep(0.05)
  local kept = store:get "key1" and "kept" or "gone"
  print(("%-20s %-8s  contents %s"):format(what, ok and "reloaded" or "refused", kept))
  if why then print("  " .. why) end
end

step("the same file", [[ return memory { capacity = "8MiB" } ]])
step("with policies on top", [[
  return memory { capacity = "8MiB" }:negative { ttl = 1 }:deadline(0.1)
]])
step("a bad word", [[ return memroy { capacity = "8MiB" } ]])
step("1,000 keys a second", [[
  return memory { capacity = "8MiB" }:limit { rate = 1000 }:deadline(0.1)
]])
assert(store:undo())
print("undone: " .. tostring(store:tree()):gsub("\n *", " > "))

stop = true
weir.join(traffic)
print(("%s operations, %d failed"):format(done > 1000 and "thousands of" or done,
  failed))
os.remove(path)
store:close()
