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

  -- 0 to 3 times. 20 to 160 in one of these stacks when no level ends a trace, a helper
  -- that calls the store below is shared by levels, or a word uses pcall on the way.
  for _, stack in ipairs { "meter", "timeout", "prefix", "tier", "different" } do
    it("is made for a stack of ten words, too: " .. stack, function()
      local code, out, err = shell.run(RUN .. "tall.lua " .. stack)
      assert.same({ 0, "" }, { code, err })
      assert.is_true(tonumber(out) <= 10, out)
    end)
  end
end)
