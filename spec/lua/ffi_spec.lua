-- Loading: each case is a process of its own.
local build = os.getenv "WEIR_BUILD" or "build"


-- What `require "weir"` prints when it fails, from a folder with these files.
local function failure(env, header)
  local folder = os.tmpname()
  os.remove(folder)
  os.execute(("mkdir -p %s/lua %s/runtime && cp -r lua/weir %s/lua"):format(
    folder, folder, folder))
  local file = assert(io.open(folder .. "/runtime/weir.h", "w"))
  file:write(header)
  file:close()
  local pipe = io.popen(("cd %s && env %s luajit -e '%s' 2>&1"):format(folder, env,
    'package.path = "./lua/?.lua;./lua/?/init.lua" print(pcall(require, "weir"))'))
  local text = pipe:read "*a"
  pipe:close()
  os.execute("rm -rf " .. folder)
  return text
end


local function header()
  local file = assert(io.open "runtime/weir.h")
  local text = file:read "*a"
  file:close()
  return text
end


local function library()
  local pipe = io.popen("realpath " .. build .. "/libweir.so")
  local path = pipe:read "*l"
  pipe:close()
  return "WEIR_LIB=" .. path
end


describe("the library", function()
  it("is refused when it was built for another ABI", function()
    local other = header():gsub("WEIR_ABI = %d+", "WEIR_ABI = 9999")
    assert.matches("has ABI %d+, weir.h declares 9999: build both from one tree",
      failure(library(), other))
  end)

  it("is refused when a struct has another size", function()
    local other = header():gsub("uint16_t reserved;", "uint64_t reserved;")
    assert.matches("struct weir_item has %d+ bytes, weir.h says %d+",
      failure(library(), other))
  end)

  it("that is not there is named, with where it was looked for", function()
    assert.matches("cannot find libweir.so; looked at ./lua/weir/../../build/",
      failure("-u WEIR_LIB", header()), 1, true)
    assert.matches("cannot find WEIR_LIB=/nowhere.so",
      failure("WEIR_LIB=/nowhere.so", header()), 1, true)
  end)

  it("is refused with a header that has no marks to read between", function()
    assert.matches("weir.h has no cdef marks", failure(library(), "int x;"), 1, true)
  end)
end)
