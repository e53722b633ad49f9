-- The seven laws of batches over every word and over random trees of them.
-- SEED=n begins at another case, CASES=n runs another number of them; make soak
-- goes on with new seeds for WEIR_SOAK seconds.

local cases = require "laws.cases"
local fake = require "fake"

local SEED = tonumber(os.getenv "SEED")
local CASES = tonumber(os.getenv "CASES") or 20000
local SOAK = tonumber(os.getenv "WEIR_SOAK")

-- Soaking takes its share of the time: there are other specs.
local SHARE = 0.2


describe("random trees of policies", function()
  after_each(fake.leave)

  it("keep the seven laws", function()
    local first = SEED or 1
    for seed = first, first + CASES - 1 do cases.run(seed) end
  end)

  if SOAK then
    it("keep them for longer", function()
      local seed, ends = SEED or os.time(), os.time() + SOAK * SHARE
      while os.time() < ends do
        seed = seed + 1
        cases.run(seed)
      end
    end)
  end
end)
