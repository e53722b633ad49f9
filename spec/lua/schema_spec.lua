-- Every number that stores and policies count is declared: its name, kind and meaning
-- stand in observe/schema.lua, or with the word or connector that counts it.
local Policies = require "weir.language.policies"
local Schema = require "weir.observe.schema"
local Stats = require "weir.observe.stats"
local shell = require "shell"
local weir = require "weir"

local KINDS = { counter = true, gauge = true, histogram = true, state = true,
  text = true, table = true }

-- Fields of stats() that are no numbers.
local OTHERS = { ops = true, name = true, word = true, gauges = true }


-- Stores and policies of every sort.
local function trees(folder)
  local function ram() return weir.memory {} end
  return {
    ram(), weir.null {}, ram():retry {}, ram():breaker {}, ram():limit(4),
    ram():coalesce(), ram():negative(), ram():ttl(60, { stale = 5 }),
    ram():admit(weir.hits(2)), ram():tap(function() end), ram():meter "m",
    ram():fault { 0 },
    weir.tier { ram(), ram(), promote = weir.hits(2) }, weir.failover { ram(), ram() },
    weir.mirror { ram(), ram(), repair = true },
    weir.bysize { { 64, ram() }, ram() }, ram():readonly():delay(0.001),
    weir.warmup { ram(), ram() }, ram():shadow { ram(), compare = true },
    ram():compress(), ram():checksum(), ram():pin { "p/", capacity = "1MiB" },
    weir.quota { by = "^(.-):", default = "1MiB" },
    ram():spool { folder .. "/spool" },
    weir.migrate { from = ram(), to = ram(), at = 0 },
  }
end


local function declared(store, facts)
  local names = {}
  for _, row in ipairs(Schema.of(store, facts)) do
    names[(row.from or row[1]):match "^[^.]+"] = true
  end
  return names
end


describe("the schema of statistics", function()
  it("declares every number that stats() has", function()
    local known = {}
    for _, row in ipairs(Schema.OPS) do known[row.from or row[1]] = true end
    known.keys = true
    local folder = shell.folder()
    for _, store in ipairs(trees(folder)) do
      store:set("a", "1")
      store:get "a"
      store:fetch("a", error)
      local all = Stats.list(store)[1].facts
      local names = declared(store, all)
      for name in pairs(all) do
        assert.is_true(OTHERS[name] or names[name], Schema.owner(store) .. ": " .. name)
      end
      for op, facts in pairs(all.ops) do
        for name in pairs(facts) do assert.is_true(known[name], op .. ": " .. name) end
      end
      store:close()
    end
    shell.remove(folder)
  end)

  it("says in a sentence what each number is", function()
    local rows = { Schema.OPS, Schema.STORE, Schema.FETCH }
    for _, word in ipairs(Policies.names()) do
      local path = "weir.policy." .. word
      local class = package.searchpath(path, package.path) and require(path)
      if class and class.tally then
        assert.is_table(class.STATS, word)
        rows[#rows + 1] = class.STATS
      end
    end
    assert.is_true(#rows > 12)
    for _, list in ipairs(rows) do
      for _, row in ipairs(list) do
        assert.is_true(KINDS[row.is], row[1])
        assert.matches("^%l.*[^.]$", row.help:gsub("^%d", "n"), row[1])
        assert.is_true(row.is ~= "state" or row.states ~= nil, row[1])
      end
    end
  end)
end)
