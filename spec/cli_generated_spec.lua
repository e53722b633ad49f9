-- What is generated from the command's definitions: the manual, the completions.
local shell = require "shell"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


-- What bash offers for the last of some words.
local function offered(...)
  local words = {}
  for i, word in ipairs { ... } do words[i] = shell.quote(word) end
  local _, out, err = shell.run(([[bash -c '
    source <(%scompletion bash)
    COMP_WORDS=(%s) COMP_CWORD=%d
    _weir
    printf "%%s\n" "${COMPREPLY[@]}"']])
    :format(WEIR, table.concat(words, " "):gsub("'", ""), #words - 1))
  assert.equal("", err)
  return out
end


describe("generated from the definitions", function()
  it("is a manual that names every subcommand and every option", function()
    local _, manual = shell.run(WEIR .. "manual")
    local plain = manual:gsub("\\%-", "-"):gsub("\\f%u", "")
    local _, help = shell.run(WEIR .. "--help")
    for name in help:match("Commands:(.*)Exit codes"):gmatch "\n   (%l+)" do
      assert.matches("\n%.SS weir " .. name .. "%f[%W]", plain)
      local _, own = shell.run(WEIR .. name .. " --help")
      for option in own:gmatch "(%-%-[%l-]+)" do
        if option ~= "--help" then
          assert.matches("\n%f[-][^\n]*" .. option:gsub("%-", "%%-"), plain)
        end
      end
    end
    for _, name in ipairs(require("weir.repl.commands").names()) do
      assert.matches("\n\\?&?%." .. name .. "%f[%W]", plain)
    end
  end)

  it("is a manual that troff takes without complaint", function()
    if shell.run "command -v groff" ~= 0 then return end
    local _, _, err = shell.run(WEIR
      .. "manual | env -u LD_PRELOAD groff -man -Tutf8 -ww >/dev/null")
    assert.equal("", err)
  end)

  it("completes subcommands and options in bash", function()
    assert.matches("%f[%w]hex\n", offered("weir", "he"))
    assert.equal("repl\n", offered("weir", "rep"))
    assert.equal("--values\n", offered("weir", "diff", "--val"))
  end)

  it("completes in zsh without running what descriptions quote", function()
    local code, text = shell.run(WEIR .. "completion zsh")
    assert.equal(0, code)
    assert.matches("^#compdef weir\n", text)
    assert.is_nil(text:find "[^\\]`")
  end)
end)
