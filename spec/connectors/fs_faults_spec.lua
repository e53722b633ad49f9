-- How fs tells of trouble, through the verbs: the codes and the sentences. The
-- trouble itself, in all its kinds, is made in spec/fs/*.c.
local Shell = require "shell"
local weir = require "weir"


local folder


-- What a command prints, run in the folder.
local function output(command)
  local _, out = Shell.run(("cd %s && %s"):format(folder, command))
  return (out:gsub("\n$", ""))
end


local function file_of(key)
  return folder .. "/" .. output("find . -name " .. key)
end


local function overwrite(path, bytes)
  local file = assert(io.open(path, "r+"))
  file:write(bytes)
  file:close()
end


describe("fs in trouble", function()
  before_each(function() folder = Shell.folder() end)
  after_each(function() Shell.remove(folder) end)

  it("answers corrupt once for a value that was changed, then a miss", function()
    local store = weir.fs { path = folder }
    assert(store:set_many({ "bad", "good" }, { ("x"):rep(9000), "y" }):all "good")
    overwrite(file_of "bad", "X")
    local reply = store:get_many { "bad", "good", "none" }
    assert.same({ "corrupt", "ok", "miss" }, { reply[1], reply[2], reply[3] })
    assert.matches("/bad does not match its checksum; it was moved aside",
      tostring(reply:error(1)))
    assert.is_nil(reply:string(1))
    assert.same({}, { store:get "bad" })
    assert.equal(1, store:stats().gauges.quarantined)
    assert.is_true(store:set("bad", "z"))
    assert.equal("z", tostring(store:get "bad"))
    store:close()
  end)

  it("never serves a foreign file", function()
    local store = weir.fs { path = folder }
    assert(store:set("mine", "x"))
    overwrite(file_of "mine", ("foreign "):rep(100))
    local value, err = store:get "mine"
    assert.is_nil(value)
    assert.equal("corrupt", err.code)
    assert.matches("has no trailer of ours", err.message)
    assert.matches("foreign foreign", output "cat .weir/quarantine/*")
    store:close()
  end)

  it("names the folder that it cannot use", function()
    local path = folder .. "/file"
    Shell.write(path, "")
    local opened, message = pcall(weir.fs, { path = path })
    assert.is_false(opened)
    assert.matches(path .. " is not a folder", message, 1, true)
    opened, message = pcall(weir.fs, { path = folder .. "/none", create = false })
    assert.is_false(opened)
    assert.matches("cannot open the folder " .. folder .. "/none", message, 1, true)
  end)

  it("refuses another fanout than the folder was made with", function()
    weir.fs({ path = folder, fanout = "16" }):close()
    local opened, message = pcall(weir.fs, { path = folder, fanout = "4096" })
    assert.is_false(opened)
    assert.matches("was made with 16, got 4096", message, 1, true)
  end)

  it("goes on when its directories are deleted under it", function()
    local store = weir.fs { path = folder }
    assert(store:set("a", "x"))
    output "rm -rf * .weir"
    assert.same({}, { store:get "a" })
    assert.is_true(store:set("a", "y"))
    assert.equal("y", tostring(store:get "a"))
    store:close()
  end)

  it("leaves no sign of life behind when it is closed", function()
    local store = weir.fs { path = folder }
    assert.not_equal("", output "ls .weir/live")
    store:close()
    assert.equal("", output "ls .weir/live")
  end)
end)
