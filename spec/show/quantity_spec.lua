local Kinds = require "weir.app.explore.kinds"
local Params = require "weir.language.params"
local Quantity = require "weir.core.quantity"
local Rules = require "weir.replay.models.rules"
local weir = require "weir"


describe("show.quantity", function()
  it("reads times with and without units", function()
    for text, seconds in pairs {
      ["1.5"] = 1.5, ["50ms"] = 0.05, ["2s"] = 2, ["5m"] = 300, ["5min"] = 300,
      ["2h"] = 7200, ["7d"] = 604800, ["10us"] = 1e-5,
      ["3ns"] = 3e-9, ["1 s"] = 1, ["2MIN"] = 120,
    } do
      assert.near(seconds, Quantity.seconds(text), 1e-12)
    end
  end)

  it("refuses what is no time and says what is one", function()
    for _, text in ipairs {
      "", "ms", "5x", "1.2.3", "-1s", "inf", "0x1s", "1s\0m",
    } do
      local seconds, err = Quantity.seconds(text)
      assert.is_nil(seconds)
      assert.matches("50ms", err)
    end
    local _, long = Quantity.seconds "1e300d"
    assert.equal("'1e300d' is too large: a time is less than 106752d", long)
    local _, large = Quantity.size "8388608TiB"
    assert.equal("'8388608TiB' is too large: a size is less than 8388608TiB", large)
    assert.near(106751 * 86400, Quantity.seconds "106751d", 1)
  end)

  -- The bytes that a text means to an option of a store, to a word, to the command.
  local function bytes_of(text)
    local good, store = pcall(weir.memory, { capacity = text })
    local option = good and store:stats().gauges.capacity
    if good then store:close() end
    local _, word = pcall(weir.maxsize, text)
    return { option, tonumber(tostring(word.name or word):match "^maxsize%((%d+)%)$")
      or false, Kinds.size(text) or false }
  end

  it("reads sizes alike for options, words and the command", function()
    local sizes = { ["131072"] = 131072, ["128KiB"] = 131072, ["128kib"] = 131072,
      ["1 MB"] = 1e6, ["1.5MiB"] = 1572864, ["0.25GB"] = 250e6 }
    for text, bytes in pairs(sizes) do
      assert.same({ bytes, bytes, bytes }, bytes_of(text), text)
    end
    for _, text in ipairs { "128k", "0x20000", "-1MiB", "1MiBs", "", "1e300TiB" } do
      assert.same({ false, false, false }, bytes_of(text), text)
    end
  end)

  it("says that a size or a time is too large, wherever it stands", function()
    local function why(fn, ...)
      local good, err = pcall(fn, ...)
      assert.is_false(good)
      return tostring(err)
    end
    local size, time = "a size is less than 8388608TiB", "a time is less than 106752d"
    local store = weir.memory {}
    local function rule(text) error((select(2, Rules.read(text)))) end
    for _, case in ipairs {
      { size, weir.memory, { capacity = "9999999999TiB" }, "a size less than" },
      { time, weir.memory, { ttl = "999999999d" }, "a duration less than" },
      { size, weir.maxsize, "9999999999TiB" },
      { size, function() weir.cheaper { load = "9999999999TiB/s", recompute = 1 } end },
      { time, function() weir.cheaper { load = 1, recompute = "9999999d/KiB" } end },
      { size, function() store:pin { "p/", capacity = "9999999999TiB" } end },
      { time, function() store:timeout "999999999d" end },
      { time, function() store:hedge { delay = "999999999d" } end },
      { time, function() store:get("k", { timeout = "999999999d" }) end },
      { time, function() store:close { timeout = "999999999d" } end },
      { size, Params.word { ram = "9999999999TiB" }, "ram", "1GiB" },
      { time, Params.word { ttl = "999999999d" }, "ttl", "1s" },
      { size, rule, "fs: capacity=9999999999TiB" },
      { time, rule, "fs: latency=999999999d" },
    } do
      local err = why(case[2], case[3], case[4])
      local says = type(case[3]) == "table" and case[4] or "is too large: " .. case[1]
      assert.is_truthy(err:find(says, 1, true), err)
    end
    store:close()
  end)

  it("refuses a time that no unit fits, for words as for options", function()
    for _, text in ipairs { "0x10", "5x", "-1s" } do
      local good = pcall(weir.memory, { ttl = text })
      local word = pcall(function() return weir.memory {}:deadline(text) end)
      assert.same({ false, false }, { good, word }, text)
    end
  end)

  it("writes sizes, times and counts with three digits", function()
    local cases = {
      { Quantity.bytes, 0, "0 B" }, { Quantity.bytes, 1023, "1023 B" },
      { Quantity.bytes, 65536, "64 KiB" }, { Quantity.bytes, 1.5 * 2 ^ 30, "1.50 GiB" },
      { Quantity.time, 0, "0 ns" }, { Quantity.time, 27.04e-6, "27.0 us" },
      { Quantity.time, 0.0015, "1.50 ms" }, { Quantity.time, 43200, "12 h" },
      { Quantity.count, 9999, "9999" }, { Quantity.count, 48400, "48.4 k" },
      { Quantity.count, 3.1e6, "3.10 M" },
      { Quantity.count, 0.5, "0.50" },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[3], case[1](case[2]))
    end
  end)
end)
