-- Moving to a new store without a cold start and without an old value: first it is
-- tried beside the old one (shadow). Then a share of the keys goes there (percent),
-- then all of them. The new store is filled by what is read (warmup).
--
--     build/weir run examples/policies/moving.lua
--
--     step                      hits of 1000  in the new store  older values
--     old                               1000                 0             0
--     shadow, a quarter                 1000               242             0
--     percent, 10                       1000               100             0
--     percent, 50                       1000               518             0
--     warmup                            1000              1000             0
--     new alone                         1000              1000             0
--
-- The hash of a key decides about its share. So the keys of 10 % are among those of
-- 50 %, and a share may grow without a loss.
local weir = require "weir"

local old, new = weir.memory {}, weir.memory {}

local keys, version = {}, {}
for i = 1, 1000 do
  keys[i], version[i] = "user:" .. i, 0
end


local function value(i) return keys[i] .. "/" .. version[i] end


-- Sets a tenth of the keys anew.
local function write(store, from)
  for i = from, #keys, 10 do
    version[i] = version[i] + 1
    assert(store:set(keys[i], value(i)))
  end
end


-- Reads every key, and says what was found.
local function show(step, store)
  local hits, older, there = 0, 0, 0
  local reply = store:get_many(keys)
  for i = 1, #keys do
    if reply[i] == "ok" then hits = hits + 1 end
    if reply[i] == "ok" and reply:string(i) ~= value(i) then older = older + 1 end
  end
  weir.sleep(0.05) -- copies are made in the background
  for i = 1, #keys do there = there + (new:exists(keys[i]) and 1 or 0) end
  print(("%-24s %13d %17d %13d"):format(step, hits, there, older))
end


print(("%-24s %13s %17s %13s"):format("step", "hits of 1000", "in the new store",
  "older values"))
for i = 1, #keys do old:set(keys[i], value(i)) end
show("old", old)

local shadow = old:shadow { new, share = 0.25, compare = true, inflight = 1000 }
for i = 1, #keys do
  version[i] = version[i] + 1
  shadow:set(keys[i], value(i))
end
weir.sleep(0.05)
show("shadow, a quarter", shadow)
local results = shadow:tally().results
assert(results.different == 0 and results.missing == 0)

new:delete_many(keys) -- that was a trial

-- The keys of the share go to the new store and are filled from the old one. A write
-- of such a key deletes what the old one has of it.
local warmup = weir.warmup { new, old }

for turn, share in ipairs { 10, 50 } do
  local percent = weir.percent { share, warmup, old }
  write(percent, turn)
  show(("percent, %d"):format(share), percent)
end

write(warmup, 3)
show("warmup", warmup)
show("new alone", new)
warmup:close()
