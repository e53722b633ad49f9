-- The examples of policies print what they say they print.

local shell = require "shell"

-- The comment that a file opens with: the first block that is set in, after the
-- command line.
local function promised(path)
  local text = assert(io.open(path)):read "*a"
  local blocks, block = {}, nil
  for line in text:gmatch "([^\n]*)\n" do
    local shown = line:match "^%-%-     (.*)$"
    if shown then
      if not block then
        block = {}
        blocks[#blocks + 1] = block
      end
      block[#block + 1] = shown
    elseif line == "--" and block and #blocks > 1 then
      block[#block + 1] = ""
    else
      block = nil
    end
    if not line:match "^%-%-" then break end
  end
  return (table.concat(blocks[2], "\n"):gsub("\n+$", "")) .. "\n"
end


-- Evictions depend on the process: there the shape of the table is what counts.
local function shape(text)
  return (text:gsub("%d+", "N"):gsub(" +", " "))
end


describe("examples/policies", function()
  local names = { "around", "codecs", "cost", "demotion", "failover", "loading",
    "moving", "own", "pressure", "reload", "shards", "spool", "tenants", "writeback" }
  for _, name in ipairs(names) do
    it(name .. ".lua prints what it promises", function()
      local path = ("examples/policies/%s.lua"):format(name)
      local code, out, err = shell.run("build/weir run " .. path)
      assert.equal("", err)
      assert.equal(0, code)
      out = out:gsub(" +\n", "\n")
      if name == "around" then
        assert.equal(shape(promised(path)), shape(out))
      else
        assert.equal(promised(path), out)
      end
    end)
  end
end)
