-- examples/embed: C programs without Lua, built with pkg-config against an
-- installed weir.
local Server = require "redis_server"
local shell = require "shell"
local weir = require "weir"

local folder


local function run(line)
  return shell.run(("cd %s && %s"):format(folder, line))
end


local function fill(path, values)
  local store = weir.fs { path = path }
  for key, value in pairs(values) do assert(store:set(key, value)) end
  store:close()
end


describe("a C program #unsanitized", function()
  setup(function()
    folder = shell.folder()
    local code, out, err = shell.run(([[
      make install PREFIX=%s/weir &&
      PKG_CONFIG_PATH=%s/weir/lib/pkgconfig make -C examples/embed OUT=%s \
        CFLAGS="-O2 -Wall -Wextra -Wshadow -Werror"
    ]]):format(folder, folder, folder), nil, 300)
    assert(code == 0, out .. err)
  end)

  teardown(function() shell.remove(folder) end)

  it("copies a store to another, page by page", function()
    local values = { color = "blue", empty = "", big = ("x"):rep(3 * 2 ^ 20) }
    for i = 1, 1000 do values["key " .. i] = "value " .. i end
    fill(folder .. "/from", values)
    assert.same({ 0, "copied 1003 values, 3.0 MiB\n", "" }, {
      run("./copy fs://$PWD/from fs://$PWD/to"),
    })
    local copied = weir.fs { path = folder .. "/to" }
    for key, value in pairs(values) do assert.is_true(copied:get(key) == value) end
    copied:close()
  end)

  it("reads through a policy file, installed as weir is", function()
    fill(folder .. "/kept", { color = "blue" })
    shell.write(folder .. "/kv.lua",
      ("return tier { memory {}, fs { path = %q } }"):format(folder .. "/kept"))
    assert.same({ 0, "color = blue\n", "" }, { run "./tree lua:kv.lua color" })
    assert.same({ 0, "shape: miss\n", "" }, { run "./tree lua:kv.lua shape" })
    shell.write(folder .. "/kv.lua", "return teir { memory {} }")
    local code, _, err = run "./tree lua:kv.lua color"
    assert.equal(2, code)
    assert.truthy(err:find('kv.lua:1: no word "teir"; did you mean "tier"?', 1, true))
    assert.same({ 2, "", "usage: tree STORE KEY\n" }, { run "./tree lua:kv.lua" })
    shell.write(folder .. "/kv.lua", "return redis { host = '127.0.0.1', port = 1 }")
    code, _, err = run "./tree lua:kv.lua color"
    assert.equal(2, code)
    assert.matches("^tree: .*cannot connect: Connection refused", err)
  end)

  it("copies pages of any length out of redis, and what is left of a life", function()
    local server = Server.start()
    finally(function() server:close() end)
    local from, keys, values = weir.open(server.url), {}, {}
    for i = 1, 5000 do keys[i], values[i] = "key " .. i, "value " .. i end
    assert(from:set_many(keys, values):all "good")
    assert(from:set("key 1", "value 1", { ttl = 1000 }))
    assert.same({ 0, "copied 5000 values, 0.0 MiB\n", "" }, {
      run("./copy " .. server.url .. " fs://$PWD/all"),
    })
    local copied = weir.fs { path = folder .. "/all" }
    local reply = copied:get_many(keys)
    for i = 1, 5000 do assert.equal(values[i], reply:string(i)) end
    assert.is_true(copied:stat "key 1".ttl > 900)
    assert.is_nil(copied:stat "key 2".ttl)
    from:close()
    copied:close()
  end)

  it("says which values could not be copied, and fails", function()
    fill(folder .. "/small", { a = "1" })
    local code, _, err = run("./copy fs://$PWD/small 'fs://$PWD/none?max_value=0'")
    assert.equal(1, code)
    assert.matches("^copy: ", err)
    code, _, err = run "./copy nowhere:// memory"
    assert.equal(1, code)
    assert.matches('^copy: no connector is named "nowhere"', err)
    code, _, err = run "./copy redis://:s3cret@127.0.0.1:1?bd=0 memory"
    assert.equal(1, code)
    assert.matches("^copy: redis: .*did you mean db%?\n$", err)
    assert.is_nil(err:find("s3cret", 1, true))
    code, _, err = run "./copy redis://127.0.0.1:1 memory"
    assert.equal(1, code)
    assert.equal("copy: redis 127.0.0.1:1: cannot connect: Connection refused\n", err)
  end)

  it("waits in a libev loop", function()
    fill(folder .. "/colors", { color = "blue" })
    local code, out = run("./ev fs://$PWD/colors color shape")
    assert.equal(0, code)
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({ "color = blue", "shape: no such key" }, lines)
    assert.same({ 0, "shape: no such key\n", "" }, { run "./ev memory shape" })
    local _, _, wrong = run "./ev nowhere:// shape"
    assert.matches("^ev: .*nowhere", wrong)
  end)

  it("shows that in 60 lines", function()
    local _, lines = shell.run "wc -l < examples/embed/ev.c"
    assert.is_true(tonumber(lines) <= 60)
  end)

  it("needs no Lua", function()
    local _, out = run "ldd ./copy ./ev"
    assert.matches("libweir%.so%.%d", out)
    assert.is_nil(out:match "lua")
  end)
end)
