-- null: keeps nothing. With hit = true it answers values of zeros, for benchmarks.
local weir = require "weir"

describe("null", function()
  it("misses, so that a store below is asked", function()
    local ram = weir.memory {}
    local tree = weir.tier { weir.null {}, ram }
    assert(tree:set("k", "v"))
    assert.equal("v", tostring(tree:get "k"))
    assert.is_nil(weir.null {}:get "k")
    assert.is_false(weir.null {}:exists "k")
    assert.is_false(weir.null {}:delete "k")
    tree:close()
  end)

  it("answers zeros of a size when it is asked to hit", function()
    local null = weir.null { hit = true, size = 3 }
    assert.equal("\0\0\0", tostring(null:get "k"))
    assert.equal(3, null:stat "k".size)
    null:close()
  end)
end)
