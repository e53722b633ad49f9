-- weir.prometheus: the counts of a tree in the text format.
local Prometheus = require "weir.prometheus"
local shell = require "shell"
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
    local service = "weir_service_seconds"
    assert.equal(2, samples[service .. '_count{node="tier",op="get"}'])
    assert.equal(2, samples[service .. '_bucket{node="tier",op="get",le="+Inf"}'])
    assert.equal(1, samples[service .. '_count{node="[2].memory",op="get"}'])
    assert.equal(1, samples['weir_queue_seconds_count{node="[2].memory",op="get"}'])
    assert.equal(1, samples['weir_tier_hits_total{node="tier",level="1"}'])
    assert.equal(4 * 2 ^ 20, samples['weir_memory_capacity_bytes{node="[1].memory"}'])
    assert.equal(0, samples['weir_inflight_keys{node="[2].memory"}'])
  end)

  it("counts buckets upward", function()
    local before, n = 0, 0
    for line in weir.prometheus(tree):gmatch "[^\n]+" do
      local count = line:match
        '^weir_service_seconds_bucket{node="tier",op="get",.- (%d+)$'
      if count then
        assert.is_true(tonumber(count) >= before)
        before, n = tonumber(count), n + 1
      end
    end
    assert.is_true(n > 10)
  end)

  it("states what each family is, and leaves none untyped", function()
    local families = {}
    for line in weir.prometheus(tree):gmatch "[^\n]+" do
      local name, help = line:match "^# HELP ([%w_]+) (.+)$"
      if name then families[name] = help end
      local typed, kind = line:match "^# TYPE ([%w_]+) (%l+)$"
      if typed then
        assert.is_truthy(families[typed], typed)
        assert.is_truthy(({ counter = 1, gauge = 1, histogram = 1 })[kind], line)
        assert.equal(kind == "counter", typed:find "_total$" ~= nil, line)
      end
    end
    assert.is_truthy(families.weir_memory_evictions_total)
  end)

  it("names nodes as stats() does, also of a policy file", function()
    local path = os.tmpname()
    shell.write(path, "return route { default = memory {}, "
      .. '["x/"] = memory {}:limit(8):breaker {} }')
    local store = weir.load(path)
    store:set_many({ "a", "x/1" }, { "1", "2" })
    local paths, exported = {}, {}
    for name in pairs(store:stats()) do paths[name] = true end
    for name in weir.prometheus(store):gmatch 'node="(.-[^\\])"' do
      exported[name:gsub('\\"', '"'):gsub("\\\\", "\\")] = true
    end
    assert.same(paths, exported)
    os.remove(path)
    store:close()
  end)

  it("has the state of a breaker, and what a limit has in flight", function()
    local store = weir.memory {}:limit(8):breaker { min = 1 }
    local function state(name)
      local samples = samples_of(weir.prometheus(store))
      return samples[('weir_breaker_state{node="breaker",state="%s"}'):format(name)]
    end
    store:set("a", "1")
    assert.same({ 1, 0, 0 }, { state "closed", state "open", state "half_open" })
    local samples = samples_of(weir.prometheus(store))
    assert.equal(0, samples['weir_inflight_batches{node="limit"}'])
    store:close()
    store = weir.fail "unavailable":breaker { min = 1 }
    store:get "a"
    assert.same({ 0, 1, 0 }, { state "closed", state "open", state "half_open" })
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
