local Timers = require "weir.host.timers"


describe("timers", function()
  it("fire in the order of their times, whatever was cancelled", function()
    for _ = 1, 200 do
      local heap, fired, expected, handles = Timers.new(), {}, {}, {}
      for i = 1, math.random(60) do
        local at = math.random(30)
        handles[i] = heap:add(at, function(x) fired[#fired + 1] = x end, at)
        expected[i] = at
      end
      for _ = 1, math.random(0, #handles) do
        local i = math.random(#handles)
        table.remove(handles, i):cancel()
        table.remove(expected, i)
      end
      table.sort(expected)
      while heap:first() do heap:run(heap:first()) end
      assert.same(expected, fired)
    end
  end)

  it("are not run before they are due", function()
    local heap, fired = Timers.new(), 0
    heap:add(10, function() fired = fired + 1 end)
    heap:run(9.999)
    assert.equal(0, fired)
    heap:run(10)
    heap:run(11)
    assert.equal(1, fired)
  end)

  it("may be added and cancelled by one that fires", function()
    local heap, order = Timers.new(), {}
    local other = heap:add(2, function() order[#order + 1] = "other" end)
    heap:add(1, function()
      other:cancel()
      heap:add(3, function() order[#order + 1] = "added" end)
    end)
    heap:run(5)
    assert.same({ "added" }, order)
  end)

  it("leave nothing behind when cancelled", function()
    local heap = Timers.new()
    for i = 1, 100 do heap:add(i, error):cancel() end
    assert.is_nil(heap:first())
    assert.equal(0, heap.n)
  end)
end)
