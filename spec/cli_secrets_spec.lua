-- Passwords on the command line: taken from variables and files, gone from ps, in no
-- error. Over a real server that wants a password.
local Server = require "redis_server"
local shell = require "shell"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


describe("a password", function()
  local server, folder

  setup(function()
    server = Server.start()
    server:command "config set requirepass s3cret"
    folder = shell.folder()
    shell.write(folder .. "/word", "s3cret\n")
    shell.write(folder .. "/wrong", "n0t-that\n")
  end)

  teardown(function()
    shell.run("redis-cli -s " .. server.folder .. "/socket -a s3cret shutdown nosave")
    shell.remove(server.folder)
    shell.remove(folder)
  end)

  local function weir(line, variables)
    line = line:gsub("URL", server.url):gsub("FOLDER", folder)
    return shell.run((variables or "") .. " " .. WEIR .. line)
  end

  it("comes from a variable or a file", function()
    assert.equal(0, (weir("set 'URL?password=$REDIS_PW' a 1", "REDIS_PW=s3cret")))
    assert.same({ 0, "1", "" }, { weir "get 'URL?password_file=FOLDER/word' a" })
    assert.same({ 0, "1", "" }, { weir "get 'URL?password=s3cret' a" })
    shell.write(folder .. "/kv.lua",
      ("return redis { socket = %q, password_file = %q }")
        :format(server.folder .. "/socket", folder .. "/word"))
    assert.same({ 0, "1", "" }, { weir "get FOLDER/kv.lua a" })
  end)

  it("is not in the error when it is wrong or not there", function()
    for line, says in pairs {
      ["get 'URL?password=$REDIS_PW' a"] = "variable REDIS_PW is not set",
      ["get 'URL?password_file=FOLDER/none' a"] = folder .. "/none: No such file",
      ["get 'URL?password_file=FOLDER/wrong' a"] = "WRONGPASS",
      ["get 'URL?password=n0t-that' a"] = "WRONGPASS",
      ["get URL a"] = "NOAUTH",
      ["get 'redis://u:p@x/n0t-that@h' a"] = "write %%2F for a /",
      ["get 'URL?password=a&n0t-that=b' a"] = "no option has that name",
      ["get 'u:n0t-that@127.0.0.1:1' a"] = "neither a URL",
      ["get 'REDIS://?password=a&prod=n0t-that' a"] = "prod is true or false\n",
      ["connectors redis://u:n0t-that@h"] = "no connector's name",
      ["stat memory redis://u:n0t-that@h"] = "redis://%.%.%.@h: no such key",
      ["bench redis redis://u:n0t-that@127.0.0.1:1"] = "no server of this machine",
      ["bench redis redis://u:n0t-that@"] = "redis",
    } do
      local code, out, err = weir(line)
      assert.is_true(code > 0, line)
      assert.matches(says, err)
      assert.is_nil((out .. err):find("n0t-that", 1, true), err)
    end
  end)

  it("is gone from the process's command line", function()
    for _, words in ipairs {
      "watch 'URL?password=s3cret' '\"up\"'",
      "watch 'redis://u:s3cret@127.0.0.1:1' '\"up\"'",
      "watch memory 'redis { password = \"s3cret\" } and \"up\"'",
      "run FOLDER/up.lua redis://:s3cret@h",
    } do
      shell.write(folder .. "/up.lua", "print(...) io.flush() weir.sleep(30)")
      local line = words:gsub("URL", server.url):gsub("FOLDER", folder)
      local _, out, err = shell.run(([[
        rm -f FOLDER/out; %s %s >FOLDER/out & p=$!
        i=0
        while [ ! -s FOLDER/out ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done
        tr '\0' ' ' </proc/$p/cmdline; echo; cat FOLDER/out
        kill $p; wait $p 2>/dev/null]])
        :gsub("FOLDER", folder):format(WEIR, line))
      local cmdline = out:match "^[^\n]*"
      assert.matches("weir " .. words:match "^%l+", cmdline, nil, err)
      assert.matches("%*%*%*", cmdline)
      assert.is_nil(cmdline:find("s3cret", 1, true), cmdline)
      assert.matches(words:find "^run" and "redis://:s3cret@h\n" or "up", out)
    end
  end)

  it("leaves the rest of the command line to be seen", function()
    shell.write(folder .. "/self.lua",
      "io.write((io.open '/proc/self/cmdline':read '*a':gsub('%z', ' ')))")
    local _, out = weir "run FOLDER/self.lua plain '' redis://h:1/0 fs:///x?y=z end"
    assert.matches("weir run [^ ]*/self.lua plain  redis://h:1/0 fs://%*+ end $", out)
  end)
end)
