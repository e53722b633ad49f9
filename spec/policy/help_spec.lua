-- Every word of policy files says what it means, and so does each of its options:
-- .help, completion, meta.lua and `weir words` read it from these tables.
local Back = require "weir.policy.tier.back"
local Percentile = require "weir.policy.hedge.percentile"
local Policies = require "weir.language.policies"
local Predicate = require "weir.policy.shared.predicate"


-- Calls fn(word, about) for every word.
local function each_word(fn)
  for _, word in ipairs(Policies.names()) do
    local module = "weir.policy." .. word
    if Predicate.words[word] then
      fn(word, Predicate.ABOUT[word])
    elseif Back.words[word] then
      fn(word, Back.ABOUT[word])
    elseif Percentile.words[word] then
      fn(word, Percentile.ABOUT[word])
    elseif package.searchpath(module, package.path) then
      fn(word, require(module))
    end
  end
end


-- A row's values that are listed in `values` are those that are allowed.
local function check_values(row, where)
  local said = {}
  for value in pairs(row.values) do said[#said + 1] = value end
  local allowed = { unpack(row.is) }
  table.sort(said)
  table.sort(allowed)
  assert.same(allowed, said, where)
end


describe("the words", function()
  it("each say what they mean, with an example", function()
    local n = 0
    each_word(function(word, about)
      n = n + 1
      assert.matches("^%u.*%.$", about.HELP or "", word)
      assert.is_truthy((about.EXAMPLE or ""):find(word, 1, true), word)
    end)
    assert.is_true(n >= 31, n .. " words")
  end)

  it("have a line of help for every option", function()
    each_word(function(word, about)
      for _, row in ipairs(about.OPTIONS) do
        local where = word .. ": " .. row[1]
        assert.matches("^%S.*[^.]$", row.help or "", where)
        assert.is_true(#row.help <= 88, where)
        if type(row.is) == "function" then assert.is_string(row.type, where) end
        if row.values then check_values(row, where) end
      end
    end)
  end)
end)
