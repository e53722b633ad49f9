-- serve.lua: a RESP server over stores. The listener (runtime/serve) owns the sockets;
-- this gives it the table of commands, runs what it does not run itself, reloads and
-- closes. Each store is a database of SELECT.
--
--     weir.run(function()
--       local server = Serve.new({ store }, { listen = { "127.0.0.1:6379" } })
--       server:run()          -- until server:stop()
--     end)

local ffi = require "ffi"
local Calls = require "weir.serve.calls"
local Closing = require "weir.core.closing"
local Cursors = require "weir.core.cursors"
local Errors = require "weir.serve.errors"
local FastPath = require "weir.serve.fast_path"
local Ffi = require "weir.ffi"
local Host = require "weir.host"
local Info = require "weir.serve.info"
local Options = require "weir.serve.options"
local Pauses = require "weir.serve.pauses"
local Reload = require "weir.serve.reload"
local Runs = require "weir.serve.runs"

local C, S = Ffi.C, Ffi.serve()

-- How often the listener looks at idle clients, and rates are counted: seconds.
local TICK = 1

-- How long the listener may keep the host's loop: seconds, and in one turn.
local BUSY, BUSY_NS = 0.005, 2e6

-- How often a drain looks whether the clients have their replies: seconds.
local LOOK = 0.01

-- How long tasks have to end after their stores have: seconds.
local ENDING = 1

---@class weir.Server
local Server = {}
Server.__index = Server

-- The version of Redis whose replies are given: clients choose features by it.
Server.REDIS_VERSION = "7.0.15"

local failure = ffi.new "struct weir_error"


local function limits_of(options, databases)
  local limits = ffi.new "struct weir_server_limits"
  limits.max_clients = options.maxclients
  limits.max_memory = options.max_memory_clients
  limits.max_value = options.max_value
  limits.idle_ns = options.idle_timeout * 1e9
  limits.databases = databases
  limits.read_only = options.read_only and 1 or 0
  limits.short_errors = options.errors == "short" and 1 or 0
  if not options.password and not options.admin_password then
    limits.open = S.WEIR_CLIENT_USER + S.WEIR_CLIENT_ADMIN
  elseif not options.password then
    limits.open = S.WEIR_CLIENT_USER
  end
  return limits
end


local function random_id()
  local digits = {}
  for i = 1, 40 do digits[i] = ("%x"):format(math.random(0, 15)) end
  return table.concat(digits)
end


-- Opens the listeners; raises what is wrong with an address.
local function listen(self)
  for _, address in ipairs(self.options.listen) do
    local rc = S.weir_server_listen(self.handle, address, self.options.mode, failure)
    if rc < 0 then error(ffi.string(failure.message), 0) end
    self.ports[#self.ports + 1] = rc
    if rc > 0 and self.port == 0 then self.port = rc end
  end
end


--- Makes a server over stores and listens. What is wrong is raised.
---@param stores weir.Store[]
---@param options table? as options.lua has them, by name with _ for -; say(sentence)
---   writes a line to the log
---@return weir.Server
function Server.new(stores, options)
  options = Options.complete(options or {})
  local limits, slot = limits_of(options, #stores), ffi.new "struct weir_server *[1]"
  local rc = S.weir_server_new(slot, limits)
  if rc < 0 then error("weir serve: no memory or no descriptors for a server", 0) end
  local self = setmetatable({
    stores = stores, options = options, limits = limits, ports = {}, port = 0,
    handle = ffi.gc(slot[0], S.weir_server_free), reloads = 0, run_id = random_id(),
    cursors = Cursors.new(), at_work = 0, fast_paths = {},
  }, Server)
  for i = 1, #stores do self.fast_paths[i] = FastPath.new(self.handle, i - 1) end
  self.info = Info.new(self)
  self.pauses = Pauses.new(options.say or Host.warn)
  Errors.register(S, self.handle)
  Calls.register(self)
  Reload.bind(self)
  local secured, why = Reload.secure(self)
  if not secured then error(why, 0) end
  local cluster = options.cluster
  if cluster then
    S.weir_server_cluster(self.handle, cluster.self, cluster.n, options.announce)
  end
  listen(self)
  return self
end


--- The store of a database, without what reloads it.
function Server:root(db)
  local store = self.stores[db + 1]
  return store.version and store.version.root or store
end


--- Where it listens: a port that was 0 is named.
---@return string[]
function Server:addresses()
  local list = {}
  for i, address in ipairs(self.options.listen) do
    list[i] = address:find "^unix:" and address
      or address:gsub(":%d+$", ":" .. self.ports[i])
  end
  return list
end


-- ---- requests ----

--- Ends a request; the client goes on at the next turn.
function Server:done(request)
  S.weir_server_done(self.handle, request)
  if self.waiter then Host.wake(self.waiter) end
end


local function work(self, fn, request, store)
  self.at_work = self.at_work + 1
  fn(self, request, store)
  self.at_work = self.at_work - 1
end


--- Answers a request by fn(server, request, store) as a task: it may wait. The listener
--- lives until all such tasks have ended.
function Server:work(fn, request, store)
  Host.spawn(work, self, fn, request, store)
end


local function answer_batch(self, request, store)
  Runs.answer(store, request)
  self:done(request)
end


local function answer(self, request)
  if request.batch == nil then return Calls.answer(self, request) end
  local store = self.stores[request.client.db + 1]
  if not store.immediate then return self:work(answer_batch, request, store) end
  Runs.answer(store, request)
  S.weir_server_done(self.handle, request)
end


-- A turn of the listener. Returns how many requests wait.
local function turn(self)
  local paths = self.fast_paths
  for i = 1, #paths do paths[i]:open(self:root(i - 1)) end
  local n = S.weir_server_turn(self.handle)
  for i = 1, #paths do paths[i]:count() end
  return n
end


--- Does what can be done without waiting, for a while: others get their turn.
function Server:turn()
  local from = C.weir_now()
  local n
  repeat
    n = turn(self)
    local request = S.weir_server_next(self.handle)
    while request ~= nil do
      answer(self, request)
      request = S.weir_server_next(self.handle)
    end
  until n == 0 or C.weir_now() - from > BUSY_NS
  -- Clients that were answered wait for the next turn.
  if n > 0 and self.waiter then Host.wake(self.waiter) end
end


-- ---- life ----

--- Reads the policy files of all databases and the certificates again; see
--- serve/reload.lua. undo goes back to the trees before.
Server.reload, Server.undo = Reload.reload, Reload.undo


-- About once a second, also under load.
function Server:tick()
  self.info:tick()
  self.pauses:look(self.info.now, Host.now())
end


--- Serves until stop is called; then stops accepting, answers what was sent, and
--- returns. The stores stay open.
function Server:run()
  self.waiter = Host.prepare()
  local watch = Host.current().watch(S.weir_server_fd(self.handle), "read", function()
    Host.wake(self.waiter)
  end)
  local looked, ticked = Host.now(), Host.now()
  while not self.stopping do
    self:turn()
    local now = Host.now()
    if now - ticked >= TICK then
      ticked = now
      self:tick()
    end
    -- A request that was answered at once has woken this task already: under a steady
    -- load it would never let signals and completions in.
    if now - looked > BUSY then
      Host.sleep(0)
      looked = Host.now()
    end
    Host.wait(self.waiter, TICK)
  end
  self:drain()
  watch.cancel()
end


--- Answers what clients have sent, at most as long as --drain says.
function Server:drain()
  S.weir_server_deaf(self.handle)
  self.deadline = Host.now() + self.options.drain
  repeat
    self:turn()
    if S.weir_server_busy(self.handle) == 0 and self.at_work == 0 then return end
    Host.wait(self.waiter, LOOK)
  until Host.now() >= self.deadline or self.hurry
end


--- Lets run return; a second call does not wait for what is under way.
function Server:stop()
  self.hurry = self.stopping
  self.stopping = true
  if self.waiter then Host.wake(self.waiter) end
end


--- Closes the stores, as long as the drain has left, then all clients.
function Server:close()
  local left = self.deadline and math.max(self.deadline - Host.now(), 0.1) or 1
  local closed, err = Closing.all(self.stores, { timeout = self.hurry and 0.1 or left })
  local until_then = Host.now() + ENDING
  while self.at_work > 0 and Host.now() < until_then do Host.sleep(LOOK) end
  local handle = ffi.gc(self.handle, nil)
  -- A policy that does not come back may still write to its batch: then the listener
  -- stays until the process ends.
  if self.at_work == 0 then
    S.weir_server_free(handle)
    self.handle = nil
  end
  return closed, err
end


--- Which pid serves, for a pidfile.
function Server.pid()
  return C.weir_getpid()
end


return Server
