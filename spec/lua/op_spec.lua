local Catalog = require "weir.native.catalog"
local Op = require "weir.core.op"


local function names_of(set)
  local names = {}
  for _, name in ipairs(Op.list) do
    if set[name] then names[#names + 1] = name end
  end
  return table.concat(names, " ")
end


describe("an op", function()
  it("has a name and a number", function()
    assert.equal("get set exists delete stat touch scan add replace incr append cas "
      .. "gat take", table.concat(Op.list, " "))
    for _, name in ipairs(Op.list) do assert.equal(name, Op.names[Op.number[name]]) end
  end)

  it("either reads or writes", function()
    assert.equal("get exists stat scan", names_of(Op.reads))
    assert.equal("set delete touch add replace incr append cas gat take",
      names_of(Op.writes))
  end)

  it("says whether values go with it, and what its keys are", function()
    assert.equal("set add replace append cas", names_of(Op.sends))
    assert.equal("get scan gat take", names_of(Op.returns))
    assert.equal("scan", names_of(Op.prefix))
    assert.equal("incr append", names_of(Op.numbers))
  end)

  it("says whether it may be done twice", function()
    assert.equal("get set exists delete stat touch scan replace gat",
      names_of(Op.idempotent))
  end)

  it("says whether its result depends on the value that is there", function()
    assert.equal("add replace incr append cas gat take", names_of(Op.atomic))
  end)

  it("is listed by each connector that has it", function()
    assert.same(Op.list, Catalog.describe("memory").ops)
    assert.equal("get set exists delete stat touch",
      table.concat(Catalog.describe("null").ops, " "))
  end)
end)
