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
      ["rm memory a --pattern 'a*'"] = "only one of them",
      ["rm memory a --destroy"] = "only one of them",
      ["rm memory --destroy --pattern 'a*'"] = "only one of them",
      ["rm memory --pattern a -y"] = "a pattern has a %* or a %?",
      ["rm memory --pattern '' -y"] = "a pattern has a %* or a %?",
    } do
      local code, _, err = shell.run(WEIR .. line)
      assert.equal(2, code)
      assert.matches(says, err)
    end
  end)

  it("says what is wrong with the store before it wants to ask", function()
    local none = "there is no mapping /dev/shm/weir%.spec%-none"
    for line, row in pairs {
      ["rm --destroy shm://spec-none"] = { 3, none },
      ["rm --pattern 'a*' shm://spec-none"] = { 3, none },
      ["rm --destroy memory"] = { 3, "memory cannot be destroyed" },
      ["rm --pattern 'a*' memory"] = { 2, "%-%-pattern asks .* give %-%-yes" },
    } do
      local code, _, err = shell.run(WEIR .. line)
      assert.matches(row[2], err)
      assert.equal(row[1], code)
    end
  end)

  describe("--destroy", function()
    local weir = require "weir"
    local url, open

    before_each(function()
      url = "shm://" .. folder .. "/mapping"
      open = weir.open(url .. "?capacity=1MiB")
      assert(open:set("k", "v"))
    end)
    after_each(function()
      open:close()
      os.remove(folder .. "/mapping")
    end)

    it("removes an shm, and processes that have it open keep it", function()
      assert.same({ 0, "destroyed shm " .. folder .. "/mapping\n", "" },
        { shell.run(WEIR .. "rm --destroy -y " .. url) })
      assert.equal(1, (shell.run("test -e " .. folder .. "/mapping")))
      assert.equal("v", open:get_string "k")
      local anew = weir.open(url .. "?capacity=2MiB")
      assert.is_nil(anew:get "k")
      anew:close()
      os.remove(folder .. "/mapping")
      local code, _, err = shell.run(WEIR .. "rm --destroy -y " .. url)
      assert.equal(3, code)
      assert.matches("there is no mapping .*/mapping", err)
      assert.equal(1, (shell.run("test -e " .. folder .. "/mapping")))
    end)

    it("wants --yes where nobody can be asked", function()
      local code, _, err = shell.run(WEIR .. "rm --destroy " .. url)
      assert.equal(2, code)
      assert.matches("%-%-destroy asks .* give %-%-yes", err)
      assert.equal(0, (shell.run("test -e " .. folder .. "/mapping")))
    end)

    it("asks, and says who has it open", function()
      local terminal = Tmux.start(WEIR .. "rm --destroy " .. url)
      finally(function() terminal:close() end)
      terminal:wait "%(1 key, open in 1 other place,"
      terminal:enter "n"
      terminal:wait "nothing was destroyed.*exit code: 3"
      assert.equal(0, (shell.run("test -e " .. folder .. "/mapping")))
    end)

    it("is refused where it cannot be done, or nobody agrees", function()
      shell.write(folder .. "/kv.lua", "return memory {}")
      for _, case in ipairs {
        { "memory", "memory cannot be destroyed, only a single shm store can" },
        { folder .. "/kv.lua", "cannot be destroyed" },
        { "'" .. url .. "?prod=true'", "marked prod, and nobody agreed" },
      } do
        local code, _, err = shell.run(WEIR .. "rm --destroy -y " .. case[1])
        assert.equal(3, code)
        assert.is_truthy(err:find(case[2], 1, true), err)
      end
      assert.equal(0, (shell.run("test -e " .. folder .. "/mapping")))
    end)

    it("is an option of .close, too", function()
      local code, _, err = shell.run(WEIR .. "repl " .. url,
        ".open m memory\n.close --destroy m\n.stores\n.close shm --destroy\n")
      assert.equal(3, code)
      assert.matches("memory cannot be destroyed", err)
      assert.equal(1, (shell.run("test -e " .. folder .. "/mapping")))
      assert.equal("v", open:get_string "k")
      code, _, err = shell.run(WEIR .. "repl --read-only " .. url,
        ".close --destroy shm\n")
      assert.equal(3, code)
      assert.matches("there is no mapping", err)
    end)
  end)
end)
