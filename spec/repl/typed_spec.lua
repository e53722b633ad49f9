-- What people type who know other tools: plain words, scripts with locals.
local shell = require "shell"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


local function prints(expected, lines)
  local code, out, err = shell.run(WEIR .. "repl", lines)
  assert.same({ 0, expected, "" }, { code, out, err })
end


describe("a line of the session", function()
  it("tells what to type instead of plain words", function()
    for line, meant in pairs {
      exit = ".quit", quit = ".quit", help = ".help", ls = ".ls", ["?"] = ".help",
      ["exit()"] = ".quit", ["ls user:"] = ".ls user:", ["keys *"] = ".ls *",
      ["get k"] = 'memory:get "k"', ["get"] = 'memory:get "key"',
      ['get "k"'] = 'memory:get "k"', ["get('k')"] = "memory:get('k')",
      ["set k 1"] = 'memory:set("k", "1")', ["del k"] = 'memory:delete "k"',
      ["stat k"] = ".stat k", ["open redis://h/"] = ".open redis://h/",
    } do
      local _, _, err = shell.run(WEIR .. "repl", line)
      assert.matches(("id you mean %s?\n"):format(meant), err, 1, true)
    end
    for _, line in ipairs { "x", "n *", "ls = = 1", "for", "nothing else" } do
      local _, _, err = shell.run(WEIR .. "repl", line)
      assert.is_nil(err:find "did you mean")
    end
  end)

  it("keeps the locals of a statement for the next ones", function()
    prints("3\n\"p\"\n6\n", "local a, b = 1, 2\na + b\n"
      .. "local size --[[ of it ]] = 'p'\nsize\n"
      .. "local function fact(n)\n  return n < 2 and 1 or n * fact(n - 1)\nend\n"
      .. "fact(3)\n")
    prints("nil\n3\n", "a = 3 do local a = 1 end\nlocal b\nb\na\n")
    prints('"local memory"\nmemory  memory  current\n',
      "local x = 'local memory' -- local print, local end\nx\n.stores\n")
    prints('"1"\n', 'local s = memory { capacity = "1MiB" }\n'
      .. 'assert(s:set("a", "1")) return s:get "a"\n')
  end)
end)
