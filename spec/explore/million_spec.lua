-- Against a million keys every exploring command shows its first line within a
-- second and grows the process by no more than 64 MiB.
local Server = require "redis_server"
local shell = require "shell"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "


local function bounded(url)
  local code, out, err = shell.run(WEIR .. "run spec/explore/million.lua "
    .. shell.quote(url), nil, 300)
  assert.same({ 0, "" }, { code, err })
  local n = 0
  for name, first, grown in out:gmatch "(%l+)\t(%S+)\t(%S+)\n" do
    assert.is_true(tonumber(first) < 1, name .. ": first line after " .. first .. " s")
    assert.is_true(tonumber(grown) < 64, name .. " grew by " .. grown .. " MiB")
    n = n + 1
  end
  assert.equal(14, n)
end


describe("a million keys #unsanitized", function()
  it("in memory are no burden", function()
    bounded "memory://?capacity=1GiB"
  end)

  it("in Redis are no burden", function()
    local server = Server.start "--enable-debug-command yes"
    finally(function() server:close() end)
    server:command "debug populate 1000000 k 10"
    bounded(server.url)
  end)
end)
