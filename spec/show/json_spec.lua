local cjson = require "cjson"
local Json = require "weir.app.show.json"


describe("show.json", function()
  it("writes numbers that read back as the same numbers", function()
    assert.equal("[1700000000123456,9007199254740991,-9007199254740991,0,-2.5]",
      Json.encode { 1700000000123456, 9007199254740991, -9007199254740991, 0, -2.5 })
    math.randomseed(3)
    local numbers = { 1700000000.123456, 0.1 + 0.2, 2 ^ 60, 2 ^ 63, 5e-324, 1.7e308 }
    for i = #numbers + 1, 500 do
      numbers[i] = (math.random() - 0.5) * 10 ^ math.random(-30, 30)
    end
    assert.same(numbers, cjson.decode(Json.encode(numbers)))
  end)

  it("writes a list that is marked as one also when it is empty", function()
    assert.equal('{"a":[],"b":{},"c":["x"]}',
      Json.encode { a = Json.list {}, b = {}, c = Json.list { "x" } })
  end)

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
