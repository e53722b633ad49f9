-- Values in a replay have a size and no bytes.

local Run = require "weir.replay.run"
local Value = require "weir.core.value"


describe("a replay", function()
  it("charges no bytes of its values to the collector", function()
    local path, lines = os.tmpname() .. ".csv", { "key,size" }
    for i = 1, 2000 do lines[i + 1] = ("k%d,1000000"):format(i % 20) end
    local file = assert(io.open(path, "w"))
    file:write(table.concat(lines, "\n"))
    file:close()
    local charge, charged = Value.charge, 0
    function Value.charge(bytes) charged = charged + bytes end
    local ok, report = pcall(Run.simulate, "memory://?capacity=1GiB", { path }, {})
    Value.charge = charge
    os.remove(path)
    assert(ok, report)
    assert.equal(1980, report.hits)
    assert.is_true(charged < 1000000, charged) -- of the store itself
  end)
end)
