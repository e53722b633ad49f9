-- examples/nginx: a reload while requests come. Workers of two generations then serve
-- at once, each with memory of its own, and none may answer with an old value.
local uv = require "luv"
local Gateway = require "host.gateway"
local Http = require "host.http"
local Nginx = require "weir.app.bench.nginx"
local shell = require "shell"

local CLIENTS, KEYS, HUPS = 16, 8, 6


-- A client that writes its own keys, each time another value, and reads each back.
local Client = {}
Client.__index = Client


function Client.start(port, id, seen)
  local self = setmetatable({ port = port, id = id, seen = seen, n = 0, newest = {} },
    Client)
  self:write()
  return self
end


function Client:write()
  if self.seen.over then return end
  self.n = self.n + 1
  local key, value = ("%d-%d"):format(self.id, self.n % KEYS), tostring(self.n)
  Http.send(self.port, "PUT", "/kv/" .. key, value, function(status)
    if status ~= 204 then self.seen.failed = self.seen.failed + 1 end
    self.seen.writes = self.seen.writes + 1
    self.newest[key] = value
    self:read(key)
  end)
end


function Client:read(key)
  Http.send(self.port, "GET", "/kv/" .. key, "", function(status, body)
    if status ~= 200 then self.seen.failed = self.seen.failed + 1 end
    if body ~= self.newest[key] then
      self.seen.stale[#self.seen.stale + 1] = key .. ": " .. tostring(body)
    end
    self:write()
  end)
end


-- Reloads under load, a reload when the one before may still be under way.
local function reload_under_load(gateway, seen)
  local clients, timer, hups = {}, uv.new_timer(), 0
  for id = 1, CLIENTS do clients[id] = Client.start(gateway.port, id, seen) end
  timer:start(200, 400, function()
    if hups == HUPS then
      seen.over = true
      timer:close()
      return
    end
    hups = hups + 1
    gateway:signal "HUP"
  end)
  uv.run()
  return clients
end


-- How many keys of all clients are not answered with what was written last.
local function stale_keys(gateway, clients)
  local stale = {}
  for _, client in ipairs(clients) do
    for key, value in pairs(client.newest) do
      Http.send(gateway.port, "GET", "/kv/" .. key, "", function(_, body)
        if body ~= value then stale[#stale + 1] = key .. ": " .. tostring(body) end
      end)
    end
  end
  uv.run()
  return stale
end


-- Each worker's own memory, used while it is the only one.
local ALONE = [[
  local disk = fs { path = os.getenv "WEIR_VALUES" }
  local copies = tier { memory { capacity = "16MiB" }, disk, write = "around" }
  return require "weir.host.ngx.alone"(copies:coalesce(), disk)
]]


describe("the gateway, reloaded under load #unsanitized", function()
  local gateway

  after_each(function() gateway:stop() end)

  local function alone()
    gateway = Gateway.start(ALONE)
    gateway:with_workers(1)
  end

  it("answers with what was written last, at any time and for good", function()
    alone()
    local seen = { writes = 0, failed = 0, stale = {} }
    local clients = reload_under_load(gateway, seen)
    assert.same({}, seen.stale)
    assert.equal(0, seen.failed)
    assert.is_true(seen.writes > CLIENTS * KEYS)
    assert.same({}, stale_keys(gateway, clients))
    assert.is_true(Nginx.eventually(function() return gateway:workers() == 1 end))
    assert.same({}, stale_keys(gateway, clients))
    assert.same({}, stale_keys(gateway, clients))
  end)

  it("uses its memory again when the old worker has left", function()
    alone()
    gateway:get("/kv/a", "-X PUT -d 1")
    gateway:signal "HUP"
    assert.is_true(Nginx.eventually(function()
      gateway:get "/kv/a"
      local _, text = gateway:get "/metrics"
      local hits = text:match 'weir_tier_hits_total{[^\n]*level="1"} (%d+)'
      return gateway:workers() == 1 and tonumber(hits) > 0
    end))
  end)

  it("leaves its memory alone while several workers serve", function()
    gateway = Gateway.start(ALONE)
    gateway:with_workers(2)
    local seen = { writes = 0, failed = 0, stale = {} }
    reload_under_load(gateway, seen)
    assert.same({}, seen.stale)
    assert.equal(0, seen.failed)
  end)

  describe("with four workers over shared memory,", function()
    -- The kills were ours; whatever else crashes is still told when the gateway stops.
    local function forget_kills()
      local log = gateway.folder .. "/error.log"
      shell.run(("grep -v 'exited on signal 9$' %s >%s.kept; cat %s.kept >%s")
        :format(log, log, log, log))
    end

    it("answers with what was written last, and keeps it over reloads and kills",
      function()
        gateway = Gateway.start()
        gateway:with_workers(4)
        local seen = { writes = 0, failed = 0, stale = {} }
        local clients = reload_under_load(gateway, seen)
        assert.same({}, seen.stale)
        assert.equal(0, seen.failed)
        local keys = 0
        for _, client in ipairs(clients) do
          for _ in pairs(client.newest) do keys = keys + 1 end
        end
        assert.is_true(keys > 0)
        for _ = 1, 4 do
          local _, pids = gateway:workers()
          shell.run("kill -9 " .. pids:match "%d+")
          assert.is_true(Nginx.eventually(function()
            local n, now = gateway:workers()
            return n == 4 and now ~= pids
          end))
          assert.same({}, stale_keys(gateway, clients))
        end
        forget_kills()
        local _, out = shell.run(("%s/weir stats 'shm://?path=%s'")
          :format(os.getenv "WEIR_BUILD" or "build", gateway:mapping()))
        assert.equal(keys, tonumber(out:match "items (%d+)"), out)
        assert.equal(5, tonumber(out:match "processes (%d+)"), out)
      end)
  end)
end)
