-- A memory of 100 values over a store of 200. 50 hot values are read all the time, so
-- they stay in the memory, and the store below, which sees no reads of them, drops
-- them. Then a burst of other values pushes them out of the memory, too. With demote
-- they are written down in that moment, and only they: the store below has the others.
-- In an exclusive pair each value is in one of the two stores, so that they hold more.
--
--     build/weir run examples/policies/demotion.lua
--
--     policy       hot values lost  written down  moved up  values held
--     no demotion               50             0         0          200
--     demote                     0            50         0          200
--     exclusive                  0           370       470          299
local Columns = require "weir.app.show.columns"
local weir = require "weir"

local HOT, OTHERS, BURST = 50, 300, 120


local function store(n)
  return weir.memory { capacity_items = n, eviction = "lru", shards = 1 }
end


-- Returns how many hot values are lost in the end, and how many values are held.
local function serve(tree)
  for i = 1, HOT do
    tree:set("hot" .. i, "v")
    tree:get("hot" .. i)
  end
  for i = 1, OTHERS do
    tree:set("other" .. i, "v")
    tree:get("other" .. i)
    tree:get("hot" .. i % HOT + 1)
  end
  for i = 1, BURST do
    tree:set("burst" .. i, "v")
    tree:get("burst" .. i)
  end
  local lost, held = 0, 0
  for i = 1, HOT do
    if not tree:peek("hot" .. i) then lost = lost + 1 end
  end
  for _ in tree:scan {} do held = held + 1 end
  return lost, held
end


local function row(name, options)
  local tree = weir.tier { store(100), store(200), demote = options.demote,
    exclusive = options.exclusive }
  local lost, held = serve(tree)
  local tally = tree:tally()
  tree:close()
  return { name, tostring(lost), tostring(tally.demotions and tally.demotions.stored
    or 0), tostring(tally.promotions.stored), tostring(held) }
end


Columns.print({
  { "policy", "hot values lost", "written down", "moved up", "values held" },
  row("no demotion", {}),
  row("demote", { demote = weir.always }),
  row("exclusive", { demote = weir.always, exclusive = true }),
}, "lrrrr")
