-- README.md says what is so: its Lua blocks are run, and what they print must be
-- what stands behind --> in them; the lines of its console blocks that begin with $
-- are run in an empty folder, and what they print must be what follows them. What
-- stands behind a prompt, "disk> ", is typed into the command before.
local shell = require "shell"


local ROOTS = { runtime = true, connectors = true, lua = true, spec = true,
  examples = true, [".ci"] = true }


local function blocks(language)
  local file = assert(io.open "README.md")
  local text = file:read "*a"
  file:close()
  local list = {}
  for block in text:gmatch("\n```" .. language .. "\n(.-)\n```") do
    list[#list + 1] = block .. "\n"
  end
  return list
end


local function expected(block)
  local lines = {}
  for line in block:gmatch "%-%->%s*([^\n]*)" do
    lines[#lines + 1] = line .. "\n"
  end
  return table.concat(lines)
end


-- A console block as a list of { line =, typed =, output = }.
local function commands(block)
  local list = {}
  for line in block:gmatch "([^\n]*\n)" do
    local command, typed = line:match "^%$ (.*)\n", line:match "^%l+> (.*)"
    if command then
      list[#list + 1] = { line = command, typed = "", output = "" }
    elseif typed then
      list[#list].typed = list[#list].typed .. typed
    else
      list[#list].output = list[#list].output .. line
    end
  end
  return list
end


-- The paths that a text mentions: links, and words in backquotes that begin with a
-- folder of the tree. One with a placeholder (NAME.c) stands for its folder.
local function paths_of(text)
  local list = {}
  for target in text:gmatch "%]%(([^#)][^)]*)%)" do
    if not target:find "://" then list[#list + 1] = target end
  end
  for code in text:gmatch "`([^`\n]+)`" do
    for word in code:gmatch "[%w_./-]+" do
      local root = word:match "^(%.?%w+)/"
      if root and ROOTS[root] then
        list[#list + 1] = word:match "^(.-/)%u+%.?%l*$" or word
      end
    end
  end
  return list
end


describe("README.md and lua/README.md", function()
  it("mention only files that exist", function()
    for _, readme in ipairs { "README.md", "lua/README.md" } do
      local file = assert(io.open(readme))
      local paths = paths_of(file:read "*a")
      file:close()
      assert.is_true(#paths >= 10, readme .. " mentions " .. #paths .. " paths")
      for _, path in ipairs(paths) do
        local there = io.open(path)
        assert.is_truthy(there, readme .. " mentions " .. path)
        there:close()
      end
    end
  end)
end)


describe("README.md", function()
  local folder, here

  before_each(function()
    folder = shell.folder()
    here = ("cd %s && PATH=$OLDPWD/build:$PATH && "):format(folder)
  end)

  after_each(function() shell.remove(folder) end)

  it("has its program, commands, diagram and table on the first screen", function()
    local lines = 0
    for line in io.lines "README.md" do
      if line:find "^## " then break end
      lines = lines + 1
    end
    assert.is_true(lines <= 45, lines .. " lines before the first heading")
  end)

  it("has programs that print what it says", function()
    for _, block in ipairs(blocks "lua") do
      shell.write(folder .. "/block.lua", block)
      local code, out, err = shell.run(here .. "weir run block.lua")
      assert.same({ 0, expected(block), "" }, { code, out, err })
    end
  end)

  it("has commands that print what it says", function()
    for _, block in ipairs(blocks "console") do
      for _, command in ipairs(commands(block)) do
        local line = command.line:gsub("/tmp/weir", folder)
        local _, out = shell.run(here .. "(" .. line .. ") 2>&1", command.typed)
        assert.equal(command.output, (out:gsub(folder, "/tmp/weir")), line)
      end
    end
  end)
end)
