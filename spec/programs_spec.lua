-- Runs the C programs of spec/**/*.c, built below build/spec (or WEIR_BUILD/spec,
-- where `make sanitize` has them). Exit 0: pass; 77: skip; anything else, or more
-- than two minutes: fail, with what the program wrote.
local build = os.getenv "WEIR_BUILD" or "build"
local SECONDS = tonumber(os.getenv "WEIR_SOAK" or 0) + 120


local function sources()
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


local function run(program)
  local pipe = assert(io.popen(
    ("timeout %d %s/%s 2>&1 </dev/null; echo \"exit $?\""):format(SECONDS, build, program)))
  local output = pipe:read "*a"
  pipe:close()
  local text, code = output:match "^(.*)exit (%d+)\n$"
  return tonumber(code), text
end


describe("the program", function()
  for _, program in ipairs(sources()) do
    it(program .. " passes", function()
      local code, text = run(program)
      if code == 77 then
        pending(text)
      end
      assert(code == 0, ("exit %d%s\n%s"):format(
        code, code == 124 and " (out of time)" or "", text))
    end)
  end
end)
