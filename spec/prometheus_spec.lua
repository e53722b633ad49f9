-- weir.prometheus: the counts of a tree in the text format.
local Prometheus = require "weir.prometheus"
local weir = require "weir"

local tree


-- Samples by what stands before the number.
local function samples_of(text)
  local samples = {}
  for line in text:gmatch "[^\n]+" do
    local name, value = line:match "^(weir_[%w_]+%b{}) (%S+)$"
    assert.is_truthy(name or line:match "^# HELP " or line:match "^# TYPE [%w_]+ %l+$")
    if name then samples[name] = tonumber(value) end
  end
  return samples
end


describe("the exposition", function()
  setup(function()
    local far = weir.memory { capacity = "4MiB", inline = false }
    tree = weir.tier { weir.memory { capacity = "4MiB" }, far }
    tree:set("a", "12345")
    tree:get "a"
    tree:get "none"
  end)

  teardown(function() tree:close() end)

  it("has a sample for each count, under the path of its node", function()
    local samples = samples_of(weir.prometheus(tree))
    assert.equal(1, samples['weir_keys_total{node="tier",op="get",status="ok"}'])
    assert.equal(1, samples['weir_keys_total{node="tier",op="get",status="miss"}'])
    assert.equal(5, samples['weir_bytes_total{node="tier",op="set"}'])
    assert.equal(2, samples['weir_seconds_count{node="tier",op="get"}'])
    assert.equal(2, samples['weir_seconds_bucket{node="tier",op="get",le="+Inf"}'])
    assert.equal(1, samples['weir_tier_hits{node="tier",kind="1"}'])
    assert.equal(4 * 2 ^ 20, samples['weir_store_capacity{node="[1].memory"}'])
  end)

  it("counts buckets upward", function()
    local before, n = 0, 0
    for line in weir.prometheus(tree):gmatch "[^\n]+" do
      local count = line:match '^weir_seconds_bucket{node="tier",op="get",.- (%d+)$'
      if count then
        assert.is_true(tonumber(count) >= before)
        before, n = tonumber(count), n + 1
      end
    end
    assert.is_true(n > 10)
  end)

  it("joins several processes, each type stated once, labels escaped", function()
    local text = Prometheus.text {
      Prometheus.collect(tree, { worker = 0 }),
      Prometheus.collect(tree, { worker = 'a"\n\\' }),
    }
    local samples = samples_of(text)
    local _, types = text:gsub("# TYPE weir_keys_total ", "")
    assert.equal(1, types)
    local key = 'weir_keys_total{node="tier",worker=%s,op="get",status="ok"}'
    assert.equal(1, samples[key:format '"0"'])
    assert.equal(1, samples[key:format [["a\"\n\\"]]])
  end)
end)
