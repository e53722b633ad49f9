-- What LuaJIT compiles of each word must do what the interpreter does. An array that
-- it had put back too short ended 7 of 10 processes of "chosen", 4 of 10 of all.
local shell = require "shell"

local RUN = (os.getenv "WEIR_BUILD" or "build") .. "/weir run spec/"

describe("the compiled code of every word", function()
  for run, names in ipairs { "", "", "chosen", "chosen", "chosen" } do
    it("answers right, in process " .. run, function()
      local code, out, err = shell.run(RUN .. "hot.lua " .. names)
      assert.same({ 0, "every value was right\n", "" }, { code, out, err })
    end)
  end

  -- Each word asked the time by two tail calls, and a trace may have 15.
  it("is made for a stack of ten words, too", function()
    local code, out, err = shell.run(RUN .. "tall.lua")
    assert.same({ 0, "0\n", "" }, { code, out, err })
  end)
end)
