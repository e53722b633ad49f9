-- The connector of examples/connector: built by its own Makefile outside of the
-- tree, found in WEIR_CONNECTORS, driven through the command.
local Shell = require "shell"

local build = os.getenv "WEIR_BUILD" or "build"
local folder


local function weir(arguments)
  return Shell.run(("WEIR_CONNECTORS=%s %s/weir %s"):format(folder, build, arguments))
end


-- Makes the archive of some files of the folder.
local function archive(files)
  local code, _, err = Shell.run(("cd %s && tar -cf new.tar %s && mv new.tar a.tar")
    :format(folder, files))
  assert(code == 0, err)
end


-- Runs a script that has the archive's store as `store`.
local function script(text)
  local path = folder .. "/script.lua"
  Shell.write(path, ([[
    local weir = require "weir"
    weir.run(function()
      local store = weir.open "tar://%s/a.tar"
      %s
      store:close()
    end)]]):format(folder, text))
  return weir("run " .. path)
end


describe("the example connector", function()
  setup(function()
    folder = Shell.folder()
    local make = "make -s -C examples/connector WEIR=../.. OUT="
    local code, _, err = Shell.run(make .. folder)
    assert(code == 0, err)
    Shell.write(folder .. "/one", "first\n")
    Shell.write(folder .. "/two", ("2"):rep(100000))
    Shell.write(folder .. "/" .. ("long"):rep(40), "under a long name")
  end)
  teardown(function() Shell.remove(folder) end)

  it("is listed with its options", function()
    local code, out = weir "connectors tar"
    assert.equal(0, code)
    assert.matches("path%s+required", out)
  end)

  it("lists and reads the members of an archive", function()
    archive "one two long*"
    local url = ("tar://%s/a.tar"):format(folder)
    local code, out = weir("ls " .. url)
    assert.equal(0, code)
    assert.matches("one.*two", out)
    assert.same({ 0, "first\n", "" }, { weir("get " .. url .. " one") })
    local _, two = weir("get " .. url .. " two")
    assert.equal(100000, #two)
    local _, long = weir(("get %s %s"):format(url, ("long"):rep(40)))
    assert.equal("under a long name", long)
    assert.equal(1, (weir("get " .. url .. " none")))
  end)

  it("reads into a buffer, and tells the size when it is too small", function()
    archive "one two"
    local code, out, err = script [[
      local ffi = require "ffi"
      local buffer = ffi.new "char[6]"
      print(store:get_into("one", buffer), ffi.string(buffer, 5))
      local reply = store:get_into_many({ "two" }, { buffer })
      print(reply[1], reply:size(1))]]
    assert.same({ 0, "6\tfirst\ntoobig\t100000\n", "" }, { code, out, err })
  end)

  it("takes the later one of two members of a name", function()
    archive "one two"
    Shell.run(("cd %s && echo second > one && tar -rf a.tar one"):format(folder))
    local _, out = weir(("get tar://%s/a.tar one"):format(folder))
    assert.equal("second\n", out)
    Shell.write(folder .. "/one", "first\n")
  end)

  it("scans in pages, by prefix", function()
    archive "one two long*"
    local code, out = script [[
      for key, info in store:scan { page = 1 } do print(#key, info.size) end
      for key in store:scan { prefix = "t" } do print(key) end
      local Store = require "weir.core.store"
      local function run(_, req)
        req.page = nil -- the connector's choice
        return store:run(req)
      end
      for key in Store.new({ run = run }):scan() do print(#key) end]]
    assert.same({ 0, "160\t17\n3\t6\n3\t100000\ntwo\n160\n3\n3\n" },
      { code, out })
  end)

  it("heals when the archive comes, is replaced, and is one again", function()
    archive "one"
    os.remove(folder .. "/a.tar")
    local code, out, err = script(([[
      local function make(what) os.execute("cd %s && " .. what) end
      local function outcome(key)
        local value, err = store:get(key)
        return value and tostring(value):sub(1, 5) or err and err.code
      end
      -- The next try to connect comes when its pause is over.
      local function becomes(key, want)
        local deadline = weir.now() + 5
        while outcome(key) ~= want and weir.now() < deadline do weir.sleep(0.01) end
        print(outcome(key))
      end
      print(outcome "one")
      make "tar -cf a.tar one"
      becomes("one", "first")
      make "tar -cf b.tar two && mv b.tar a.tar"
      becomes("two", "22222")
      print(outcome "one")
      make "cp two c && mv c a.tar"
      becomes("two", "unavailable")
      make "rm a.tar && tar -cf a.tar one"
      becomes("one", "first")]]):format(folder))
    assert.same({ 0, "unavailable\nfirst\n22222\nnil\nunavailable\nfirst\n", "" },
      { code, out, err })
  end)

  it("says what it cannot do", function()
    archive "one"
    local code, _, err = weir(("set tar://%s/a.tar one x"):format(folder))
    assert.equal(3, code)
    assert.matches("cannot do that", err)
    code, _, err = weir(("get tar://%s/no.tar one"):format(folder))
    assert.equal(3, code)
    assert.matches("tar .*/no.tar: cannot read it: No such file", err)
  end)
end)
