local cjson = require "cjson"
local Json = require "weir.show.json"


describe("show.json", function()
  it("writes names that are no text as text", function()
    assert.equal('{"\\\\255":1}', Json.encode { ["\255"] = 1 })
  end)

  it("writes a table twice, but none within itself", function()
    local shared = { a = 1 }
    assert.same({ { a = 1 }, { a = 1 } }, cjson.decode(Json.encode { shared, shared }))
    local cycle = { b = 1 }
    cycle.c = cycle
    assert.same({ b = 1, c = "..." }, cjson.decode(Json.encode(cycle)))
  end)

  it("stays bounded whatever is shared, and writes all of a long list", function()
    local t = { 1 }
    for _ = 1, 18 do t = { t, t } end
    assert.is_true(#Json.encode(t) < 2 ^ 21)
    local list = {}
    for i = 1, 20000 do list[i] = { i } end
    assert.same(list, cjson.decode(Json.encode(list)))
  end)
end)
