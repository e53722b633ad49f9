-- Clients that do what clients should not: spec/serve/faults.py. The others must not
-- notice, and memory and descriptors must come back.
local Server = require "serve.server"
local Shell = require "shell"

local POLICY = [[return tier { memory { capacity = "16MiB" },
  memory { capacity = "64MiB", inline = false } } :coalesce()]]


local function descriptors(server)
  local _, out = Shell.run(("ls /proc/%d/fd | wc -l"):format(server.pid))
  return tonumber(out)
end


describe("a weir serve", function()
  local folder

  setup(function()
    folder = Shell.folder()
    Shell.write(folder .. "/kv.lua", POLICY)
  end)
  teardown(function() Shell.remove(folder) end)

  for _, target in ipairs { "memory://?capacity=256MiB", "%s/kv.lua",
    "'memory://?inline=false'" } do
    describe("of " .. target, function()
      local server

      setup(function()
        server = Server.start(target:format(folder) .. " --pretend-multi")
        server:cli "get warm" -- opens what the host has one of
      end)
      teardown(function() server:close() end)

      for _, case in ipairs { "one_byte", "half", "announced", "connections", "unread",
        "killed", "pipelines", "mute", "mute_multi", "http", "nonsense" } do
        it("survives " .. case, function()
          local before = descriptors(server)
          local code, out, err = Shell.run(
            ("/usr/bin/python3 spec/serve/faults.py %d %s"):format(server.port, case),
            nil, 120)
          assert.equal("0 done\n", ("%d %s%s"):format(code, out, err))
          server:wait(function() return descriptors(server) <= before end)
        end)
      end
    end)
  end
end)
