local sessions = require "weir.app.trace.sessions"


describe("trace.sessions", function()
  it("makes the same requests of the same seed, others of another", function()
    local one, same, other = sessions(7), sessions(7), sessions(8)
    local differs = false
    for _ = 1, 100 do
      local request = one()
      assert.same(request, same())
      differs = differs or #request ~= #other()
    end
    assert.is_true(differs)
  end)

  it("lets an id stand for one prefix only", function()
    local before = {}
    local requests = sessions(1)
    for _ = 1, 1000 do
      local chunks = requests()
      for i, id in ipairs(chunks) do
        local previous = chunks[i - 1] or 0
        assert.equal(previous, before[id] or previous)
        before[id] = previous
      end
    end
  end)

  it("asks for most chunks more than once", function()
    local requests, seen, asked, distinct = sessions(1), {}, 0, 0
    for _ = 1, 1000 do
      for _, id in ipairs(requests()) do
        asked = asked + 1
        if not seen[id] then
          seen[id], distinct = true, distinct + 1
        end
      end
    end
    assert.is_true(asked > 5 * distinct)
  end)
end)
