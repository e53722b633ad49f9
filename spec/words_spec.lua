-- lua/README.md says what is so: its policy files (blocks that begin with "-- NAME.lua"
-- and return a store) load and `weir check` finds nothing in them, the examples of its
-- tables too; its programs print what stands behind --> in them.
local Check = require "weir.language.check"
local shell = require "shell"
local weir = require "weir"


local function slurp(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local README = slurp "lua/README.md"

local PRELUDE = [[
local ram, near, a, b, c, s = memory {}, memory {}, memory {}, memory {}, memory {},
  memory {}
local disk, tree = fs { path = "/disk" }, far
]]


-- The blocks that are files. One that runs the host itself is a program.
local function blocks(programs)
  local list = {}
  for block in README:gmatch "\n```lua\n(.-)\n```" do
    local runs = block:find("weir.run", 1, true) ~= nil
    if block:find "^%-%- %l+%.lua" and runs == programs then
      list[#list + 1] = block .. "\n"
    end
  end
  return list
end


-- The examples of the tables of words: the last column behind a word in the first.
local function examples()
  local list = {}
  for line in README:gmatch "\n(| `%l+` |[^\n]*)" do
    list[#list + 1] = line:match "| `([^`]*)` |$"
  end
  return list
end


describe("lua/README.md", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  -- Loads a text as a policy file. Folders are made below that of the spec; far is a
  -- store whose failures may pass.
  local function load(text)
    local path = folder .. "/kv.lua"
    shell.write(path, text)
    return weir.load(path, { stores = {
      fs = function(options)
        local place = { path = folder .. options.path, capacity = options.capacity }
        return weir.fs(place)
      end,
      far = weir.redis { host = "127.0.0.1", port = 1 },
    } })
  end

  local function check(text)
    local store = load(text)
    local found = Check.run(store)
    assert.is_nil(found[1], found[1] and text .. "\n" .. found[1].message)
    return store
  end

  it("has policy files that load and pass weir check", function()
    local list = blocks(false)
    assert.equal(2, #list)
    for _, block in ipairs(list) do
      check(block):close { drop = true }
    end
  end)

  it("has a policy of one's own that does what it says", function()
    local store = check(blocks(false)[2])
    weir.run(function()
      assert(store:set("k", "v"))
      assert.equal("v", tostring(store:get "k"))
      local keys = {}
      for key in store:scan {} do keys[#keys + 1] = key end
      assert.same({ "k" }, keys)
    end)
    store:close()
  end)

  it("has an example of every word that loads and passes weir check", function()
    local list = examples()
    assert.is_true(#list >= 24, #list .. " examples")
    shell.write(folder .. "/candidate.lua", "return memory {}")
    shell.write(folder .. "/keys.txt", "1 " .. ("a"):rep(64) .. "\n")
    shell.run("chmod 600 " .. folder .. "/keys.txt")
    for _, example in ipairs(list) do
      -- Files that an example names lie in the folder of the spec.
      example = example:gsub('"(%l+%.%l+)"', '"' .. folder .. '/%1"')
      check(PRELUDE .. "return " .. example):close { drop = true }
    end
  end)

  it("has programs that print what it says", function()
    local list = blocks(true)
    assert.equal(1, #list)
    for _, block in ipairs(list) do
      shell.write(folder .. "/program.lua", block)
      local wanted = {}
      for line in block:gmatch "%-%->%s*([^\n]*)" do
        wanted[#wanted + 1] = line .. "\n"
      end
      local code, out, err = shell.run("build/weir run " .. folder .. "/program.lua")
      assert.same({ 0, table.concat(wanted), "" }, { code, out, err })
    end
  end)
end)
