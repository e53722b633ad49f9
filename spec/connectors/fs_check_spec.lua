-- `weir check` over fs stores: it reads what a folder says of itself, and changes
-- nothing.
local Shell = require "shell"
local weir = require "weir"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


describe("weir check over fs", function()
  local folder

  before_each(function() folder = Shell.folder() end)
  after_each(function() Shell.remove(folder) end)

  local function check(policy)
    Shell.write(folder .. "/policy.lua", (policy:gsub("%%s", folder)))
    return Shell.run(WEIR .. "check " .. folder .. "/policy.lua")
  end

  -- All that is below the folder, with times and sizes.
  local function listing()
    local _, out = Shell.run(("find %s/kv -printf '%%p %%s %%T@ %%C@\n' | sort")
      :format(folder))
    return out
  end

  it("makes no folder, also below another connector", function()
    local code, out, err = check [[
      return tier { fs { path = "%s/kv/deep", capacity = "1MiB" },
        fault { target = "fs://%s/kv/other" } }]]
    assert.equal("", err)
    assert.equal(0, code, out)
    assert.equal("", (listing()))
  end)

  it("leaves a folder as it is, whatever would be evicted or swept", function()
    local store = weir.fs { path = folder .. "/kv", capacity = "1MiB" }
    for i = 1, 20 do assert(store:set("key" .. i, ("x"):rep(9000))) end
    store:close()
    Shell.write(folder .. "/kv/.weir/.0123456789abcdef-1", "half")
    local before = listing()
    local code, out = check 'return fs { path = "%s/kv", capacity = "20KiB" }'
    assert.equal(0, code, out)
    assert.equal(before, listing())
  end)

  it("says what is wrong with a folder", function()
    weir.fs({ path = folder .. "/kv", fanout = "16" }):close()
    local before = listing()
    local code, _, err = check 'return fs { path = "%s/kv", fanout = "4096" }'
    assert.equal(3, code)
    assert.matches("was made with 16, got 4096", err)
    code, _, err = check 'return fs { path = "%s/none", create = false }'
    assert.equal(3, code)
    assert.matches("cannot open the folder " .. folder .. "/none", err, 1, true)
    assert.equal(before, listing())
  end)

  it("leaves stores that are opened afterwards as they are", function()
    local C = require("weir.ffi").C
    assert.equal(0, C.weir_open_dry(1))
    local dry = weir.fs { path = folder .. "/kv" }
    assert.equal(1, C.weir_open_dry(0))
    local value, err = dry:get "a"
    assert.is_nil(value)
    assert.equal("unavailable", err.code)
    assert.matches("opened to be checked only", err.message)
    dry:close()
    assert.equal("", (listing()))
    local store = weir.fs { path = folder .. "/kv" }
    assert.is_true(store:set("a", "x"))
    store:close()
  end)
end)
