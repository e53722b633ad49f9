-- A policy of one's own in 20 lines: what is found nearby is served, the rest is asked
-- of the far store, and only of the far store. It is counted, traced and explained
-- like any word.
--
--     build/weir run examples/policies/own.lua
--
--     hello, ciao, miss
--
--     policy mostly_local
--       far = prefix
--         memory
--       near = memory
--
--     mostly_local: get nearby, then what is left far away
--       near.memory: answers: memory
--       far.prefix: as "eu/farewell"
--         far.prefix.memory: answers: memory
local weir = require "weir"

local function mostly_local(near, far)
  return weir.policy {
    name = "mostly_local",
    children = { near = near, far = far },
    run = function(_, req)
      local first = near:run(req)
      if first:all "good" then return first end
      return first:merge(far:run(first:residual()))
    end,
    plan = function(_, op)
      return op .. " nearby, then what is left far away", { near, far }
    end,
  }
end

local near, far = weir.memory {}, weir.memory {}
local store = mostly_local(near, far:prefix "eu/")
assert(near:set("greeting", "hello"))
assert(far:set("eu/farewell", "ciao"))

local reply = store:get_many { "greeting", "farewell", "question" }
print(reply:string(1) .. ", " .. reply:string(2) .. ", " .. reply[3])
print()
print(store:tree())
print()
print(store:explain("get", "farewell"))
store:close()
