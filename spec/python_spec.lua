-- Runs the Python tests of spec/python, each as a test of its own. All run in one
-- process (spec/python/run.py), which prints a line for each.
local shell = require "shell"

local build = os.getenv "WEIR_BUILD" or "build"
local soak = tonumber(os.getenv "WEIR_SOAK" or 0)
-- Debian's, which has redis-py. WEIR_PYTHON is for another version.
local python = os.getenv "WEIR_PYTHON" or "/usr/bin/python3"


-- The names of the tests: "test_store.test_one_key".
local function names()
  local list = {}
  local files = assert(io.popen "ls spec/python/test_*.py")
  for path in files:lines() do
    local module = path:match "([^/]+)%.py$"
    for line in io.lines(path) do
      local test = line:match "^    def (test_[%w_]+)%("
        or line:match "^    async def (test_[%w_]+)%("
      if test then list[#list + 1] = module .. "." .. test end
    end
  end
  files:close()
  return list
end


describe("in Python,", function()
  local results, all = {}, nil

  setup(function()
    local code, out, err = shell.run(
      ('WEIR_LIB=$PWD/%s/libweir.so ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=8 '
        .. '%s spec/python/run.py'):format(build, python),
      nil, 400 + soak)
    all = ("exit %d\n%s%s"):format(code, out:sub(-2000), err)
    for word, id, why in out:gmatch "(%a+)\t(%S+)\t([^\n]*)" do
      local module, test = id:match "^([^.]+)%..*%.([^.]+)$"
      -- A failed subtest comes before others of its test that pass.
      local name = ("%s.%s"):format(module, test)
      if not (results[name] and results[name].word == "failed") then
        results[name] = { word = word, why = why:gsub("\\n", "\n") }
      end
    end
  end)

  for _, name in ipairs(names()) do
    it(name:gsub("^test_", ""):gsub("%.test_", ": "):gsub("_", " "), function()
      local result = results[name] or { word = "missing", why = all }
      if result.word == "skipped" then pending(result.why) end
      assert(result.word == "passed", result.word .. "\n" .. result.why)
    end)
  end
end)
