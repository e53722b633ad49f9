-- weir rm: what matches a pattern, after a question.
local cjson = require "cjson"
local Server = require "redis_server"
local Tmux = require "tmux"
local shell = require "shell"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


describe("weir rm", function()
  local folder, server

  setup(function()
    server, folder = Server.start(), shell.folder()
  end)

  teardown(function()
    server:close()
    shell.remove(folder)
  end)

  it("deletes what matches a pattern, all of it, after consent", function()
    for _, url in ipairs { server.url, "fs://" .. folder .. "/many" } do
      local fill = ([[local store = weir.open %q
        for i = 1, 3000 do store:set("user:" .. i, "v") end
        store:set("other", "v") store:set("user:*", "star")]]):format(url)
      shell.run(WEIR .. "run -", fill)
      local rm = WEIR .. "rm " .. url
      local code, out, err = shell.run(rm .. " --pattern 'user:*'")
      assert.same({ 2, "" }, { code, out })
      assert.matches("stdin is no terminal: give %-%-yes", err)
      assert.same({ 0, "", "" }, { shell.run(rm .. " 'user:*'") })
      code, _, err = shell.run(rm .. " 'user:*'")
      assert.equal(1, code)
      assert.matches("%-%-pattern deletes what matches", err)
      assert.same({ 0, "deleted 3000 keys\n", "" },
        { shell.run(rm .. " --pattern 'user:*' --yes") })
      assert.same({ 0, "other\n", "" }, { shell.run(WEIR .. "ls " .. url) })
      assert.same({ 1, "deleted 0 keys\n", "" },
        { shell.run(rm .. " --pattern 'user:*' -y") })
      out = select(2, shell.run(rm .. " --json -y --pattern 'o*r'"))
      assert.same({ deleted = 1, failed = 0 }, cjson.decode(out))
    end
  end)

  it("asks before it deletes by a pattern, with the number and some keys", function()
    local url = "fs://" .. folder .. "/asked"
    shell.run(WEIR .. "set " .. url .. " u1 v u2 v other v")
    for _, row in ipairs { { "n", "3" }, { "y", "1" } } do
      local answer, left = row[1], row[2]
      local terminal = Tmux.start(WEIR .. "rm " .. url .. " --pattern 'u*'")
      finally(function() terminal:close() end)
      terminal:wait "delete 2 keys that match 'u%*' %(u[12], u[12]%) from"
      terminal:enter(answer)
      terminal:wait(answer == "y" and "deleted 2 keys.*exit code: 0"
        or "nothing was deleted.*exit code: 3")
      local _, count = shell.run(WEIR .. "ls " .. url .. " | wc -l")
      assert.equal(left .. "\n", count)
      terminal:close()
    end
  end)

  it("refuses patterns without a wildcard, and keys beside a pattern", function()
    for line, says in pairs {
      ["rm memory"] = "missing argument 'key', or %-%-pattern",
      ["rm memory a --pattern 'a*'"] = "not both",
      ["rm memory --pattern a -y"] = "a pattern has a %* or a %?",
      ["rm memory --pattern '' -y"] = "a pattern has a %* or a %?",
    } do
      local code, _, err = shell.run(WEIR .. line)
      assert.equal(2, code)
      assert.matches(says, err)
    end
  end)
end)
