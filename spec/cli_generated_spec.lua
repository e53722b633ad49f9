-- What is generated from the command's definitions: the manual, the completions.
local Catalog = require "weir.native.catalog"
local shell = require "shell"
local weir = require "weir"

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
    for _, name in ipairs(require("weir.app.repl.line.commands").names()) do
      assert.matches("\n\\?&?%." .. name .. "%f[%W]", plain)
    end
  end)

  it("is a manual that has every option of every connector", function()
    local _, manual = shell.run(WEIR .. "manual")
    local plain = manual:gsub("\\%-", "-"):gsub("\\f%u", "")
    for _, name in ipairs(weir.connectors()) do
      for _, option in ipairs(Catalog.describe(name).options) do
        assert.is_truthy(plain:find(".TP\n" .. option.name .. " (", 1, true),
          name .. " " .. option.name)
      end
    end
  end)

  it("are meta.lua and the options in lua/README.md, up to date", function()
    local _, out, err = shell.run ".ci/generate --check"
    assert.equal("", out .. err)
  end)

  it("is a manual that tells how to keep passwords out of sight", function()
    local _, manual = shell.run(WEIR .. "manual")
    local secrets = manual:gsub("\\%-", "-"):match "\n%.SH SECRETS\n(.-)\n%.SH "
    assert.matches("password=$NAME", secrets, 1, true)
    assert.matches("password_file=PATH", secrets, 1, true)
  end)

  it("is a manual that troff takes without complaint", function()
    if shell.run "command -v groff" ~= 0 then return end
    local _, _, err = shell.run(WEIR
      .. "manual | env -u LD_PRELOAD groff -man -Tutf8 -ww >/dev/null")
    assert.equal("", err)
  end)

  it("completes subcommands and options in bash", function()
    assert.matches("%f[%w]hex\n", offered("weir", "he"))
    assert.equal("trace\n", offered("weir", "tra"))
    assert.equal("--values\n", offered("weir", "diff", "--val"))
  end)

  it("completes connectors, URLs, schemes and choices in bash", function()
    local function has(list, ...)
      for _, word in ipairs { ... } do
        assert.is_truthy(("\n" .. list):find("\n" .. word .. "\n", 1, true), word)
      end
    end
    has(offered("weir", "get", ""), "memory", "redis", "redis://", "rediss://",
      "fs:///", "redis+unix:///")
    assert.equal("memory\n", offered("weir", "get", "mem"))
    assert.equal("memory\n",
      offered("weir", "get", "--timeout", "1s", "--json", "mem"))
    assert.equal("memory\n",
      offered("weir", "diff", "redis", ":", "//h", ":", "1", "mem"))
    assert.equal("memory\n", offered("weir", "repl", "null", "a", "=", "fs", "mem"))
    assert.equal("\n", offered("weir", "get", "memory", "mem"))
    assert.equal("\n", offered("weir", "get", "fs", ":", "///mem"))
    assert.equal("rediss\n", offered("weir", "connectors", "rediss"))
    has(offered("weir", "connectors", ""), "fs", "redis+unix")
    assert.equal("core\n", offered("weir", "bench", "cor"))
    has(offered("weir", "bench", ""), "fs", "redis", "policies", "ngx")
    assert.equal("zsh\n", offered("weir", "completion", "z"))
    assert.equal("exists\nexplain\n", offered("weir", "explain", "memory", "ex")
      .. offered("weir", "help", "expl"))
  end)

  it("completes connectors, schemes and choices in zsh", function()
    local _, text = shell.run(WEIR .. "completion zsh")
    assert.matches("\n  compadd %-%- [^\n]*memory", text)
    assert.matches("\n  compadd %-S '' %-%- [^\n]*fs:/// [^\n]*rediss://", text)
    assert.matches('\n    get%).-": :_weir_stores"', text)
    assert.matches('\n    bench%).-": :%(core [%l ]*ngx[%l ]*%)"', text)
    assert.matches('\n    connectors%).-": :%([^\n]*rediss[^\n]*%)"', text)
  end)

  it("completes in zsh without running what descriptions quote", function()
    local code, text = shell.run(WEIR .. "completion zsh")
    assert.equal(0, code)
    assert.matches("^#compdef weir\n", text)
    assert.is_nil(text:find "[^\\]`")
  end)
end)
