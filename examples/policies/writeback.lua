-- Write-back: the fast store acknowledges a write, the slow one gets it later. The same
-- 2,000 writes of 200 counters go to a slow store three times. Write-back sends it the
-- newest write of each key, in batches, and a journal lets the rest survive a crash.
--
--     build/weir run examples/policies/writeback.lua
--
--     policy                          reaches the slow store  at once  after flush
--     write = "through"                                 2000      200          200
--     write = back {}                                    200        0          200
--     write = back { journal = ... }                     200        0          200
--
-- "at once": keys whose last write the slow store has when the last write is
-- acknowledged.
local Columns = require "weir.app.show.columns"
local weir = require "weir"

local KEYS, ROUNDS = 200, 10


-- A store that counts the keys that are written to it, 1 ms a request.
local function counting(store)
  local written = 0
  return store:tap(function(req)
    if req.op == "set" then written = written + req.n end
  end):delay(0.001), function() return written end
end


-- How many keys have their last write.
local function up_to_date(store)
  local n = 0
  for i = 1, KEYS do
    if store:get_string("counter" .. i) == tostring(ROUNDS) then n = n + 1 end
  end
  return n
end


local function row(name, mode)
  local ram, slow = weir.memory {}, weir.memory {}
  local behind, written = counting(slow)
  local tree = weir.tier { ram, behind, write = mode }
  for round = 1, ROUNDS do
    local keys, values = {}, {}
    for i = 1, KEYS do keys[i], values[i] = "counter" .. i, tostring(round) end
    assert(tree:set_many(keys, values):all "good")
  end
  local at_once = up_to_date(slow)
  assert(tree:flush())
  local line = { name, tostring(written()), tostring(at_once),
    tostring(up_to_date(slow)) }
  assert(tree:close())
  return line
end


local journal = os.tmpname()
os.remove(journal)
weir.run(function()
  Columns.print({
    { "policy", "reaches the slow store", "at once", "after flush" },
    row('write = "through"', "through"),
    row("write = back {}", weir.back { after = 60 }),
    row("write = back { journal = ... }", weir.back { after = 60, journal = journal }),
  }, "lrrr")
end)
os.execute(("rm -rf %q"):format(journal))
