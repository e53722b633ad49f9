-- param(...) of policy files, and --set of the command.

local Params = require "weir.language.params"
local shell = require "shell"
local weir = require "weir"

local POLICY = [[
return memory { capacity = param("capacity", "64MiB", "bytes of the store"),
  shards = param("shards", 1), eviction = param("eviction", "lru") }
]]


local function load_with(params)
  return weir.load(assert(loadstring(POLICY)), { params = params })
end


local function capacity_of(store)
  return store:stats().gauges.capacity
end


describe("param", function()
  before_each(function() Params.given, Params.declared = {}, {} end)
  after_each(function() Params.given, Params.declared = {}, {} end)

  it("is its default unless a value was given", function()
    local plain, set = load_with(), load_with { capacity = "1MiB" }
    assert.equal(64 * 2 ^ 20, capacity_of(plain))
    assert.equal(2 ^ 20, capacity_of(set))
    plain:close()
    set:close()
  end)

  it("keeps its value over a reload", function()
    local store = load_with { capacity = "1MiB" }
    assert(store:reload())
    assert.equal(2 ^ 20, capacity_of(store))
    store:close()
  end)

  it("knows its type by its default and refuses another", function()
    assert.error_matches(function() load_with { capacity = "big" } end,
      'param capacity is a size such as 64MiB, not "big"')
    assert.error_matches(function() load_with { shards = "two" } end,
      'param shards is a number, not "two"')
  end)

  it("without a default must be given", function()
    local chunk = assert(loadstring 'return memory { capacity = param "room" }')
    assert.error_matches(function() weir.load(chunk) end,
      "param room has no default: %-%-set room=")
    weir.load(chunk, { params = { room = "1MiB" } }):close()
  end)

  it("tells its type, default and help", function()
    load_with():close()
    assert.same({ name = "capacity", type = "size", default = "64MiB",
      help = "bytes of the store" }, Params.declared.capacity)
  end)
end)


describe("weir --set", function()
  local path

  setup(function()
    path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(POLICY)
    file:close()
  end)

  teardown(function() os.remove(path) end)

  it("sets a param for check, and names the nearest one", function()
    local build = os.getenv "WEIR_BUILD" or "build"
    local weir_check = build .. "/weir check --set "
    local code, _, err = shell.run(weir_check .. "capacity=1MiB " .. path)
    assert.equal(0, code, err)
    code, _, err = shell.run(weir_check .. "capcity=1MiB " .. path)
    assert.equal(2, code)
    assert.matches('no param is called "capcity"; did you mean "capacity"?', err,
      1, true)
    assert.equal(3, (shell.run(weir_check .. "capacity=1KiB " .. path)))
  end)

  it("sets a param for a script and the files it loads", function()
    local build = os.getenv "WEIR_BUILD" or "build"
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write(('print(param("n", 3), arg[1])\nweir.load(%q):close()\n'):format(path))
    file:close()
    local line = ("%s/weir run --set n=5 --set shards=2 %s more"):format(build, script)
    local code, out, err = shell.run(line)
    os.remove(script)
    assert.equal("5\tmore\n", out)
    assert.equal(0, code, err)
  end)
end)
