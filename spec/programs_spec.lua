-- Runs the C programs of spec/**/*.c, built below build/spec (or WEIR_BUILD/spec,
-- where `make sanitize` has them). Exit 0: pass; 77: skip; anything else, or more
-- than two minutes: fail, with what the program wrote.
local shell = require "shell"

local build = os.getenv "WEIR_BUILD" or "build"
local seconds = tonumber(os.getenv "WEIR_SOAK" or 0) + 120


local function programs()
  local find = assert(io.popen "find spec -name '*.c' | sort")
  local list = {}
  for path in find:lines() do
    if not path:find "^spec/connectors/" and not path:find "^spec/fuzz/" then
      list[#list + 1] = path:gsub("%.c$", "")
    end
  end
  find:close()
  return list
end


describe("the program", function()
  for _, program in ipairs(programs()) do
    it(program .. " passes", function()
      local line = ("%s/%s 2>&1"):format(build, program)
      local code, text = shell.run(line, nil, seconds)
      if code == 77 then
        pending(text)
      end
      assert(code == 0, ("exit %d%s\n%s"):format(
        code, code == 124 and " (out of time)" or "", text))
    end)
  end
end)
