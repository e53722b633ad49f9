-- What LuaJIT compiles of a word is used for all its instances. Where it compiled some
-- of it once for each, gets by turns through 128 of them took 3 to 8 times as long.
local shell = require "shell"

local COMMAND = (os.getenv "WEIR_BUILD" or "build") .. "/weir run spec/instances.lua"


-- The words whose many instances are slower than one. A busy machine may disturb one
-- run, so what is slow in all of three counts.
local function slow()
  local found = {}
  local code, out, err = shell.run(COMMAND, nil, 400)
  assert.same({ 0, "" }, { code, err })
  local seen = 0
  for name, single, many in out:gmatch "(%a[%w ]-) +(%d+) +(%d+)\n" do
    seen = seen + 1
    if tonumber(many) > 2.5 * tonumber(single) then
      found[name] = ("%s ns, %s ns of one"):format(many, single)
    end
  end
  assert.is_true(seen > 25, out)
  return found
end


describe("128 instances of a word", function()
  it("take about as long as one", function()
    local still = slow()
    for _ = 1, 2 do
      if not next(still) then break end
      local again = slow()
      for name in pairs(still) do still[name] = again[name] end
    end
    assert.same({}, still)
  end)
end)
