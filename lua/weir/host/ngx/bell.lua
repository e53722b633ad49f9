-- host/ngx/bell.lua: runs a doorbell for a completion queue: a timer that waits for
-- bytes on a socket of nginx and drains the queue. Used by host/ngx.lua.
--
-- When the worker leaves, the bell stays until nothing is in flight. Then it ends, so
-- that the worker can. A later request starts it again.

local ffi = require "ffi"
local C = require("weir.ffi").C

local Bell = {}
Bell.__index = Bell

local slot = ffi.new "struct weir_bell *[1]"
local failure = ffi.new "struct weir_error"

-- The timeout of the read in ms: 24 days. nginx logs an error when a read times out.
local FOREVER = 2147483647

-- nginx reports a timer that it could not run only in its log. After so many seconds
-- the bell counts as not started.
local PATIENCE = 1

-- The number of Lua states that stay: one for http and one for stream. With
-- lua_code_cache off each request makes one more, and that state must be able to end.
local LASTING = 2
local rang = false


--- Makes a bell for a queue. It must be started before any task waits.
function Bell.new(queue, folder)
  local fleeting = not rang and C.weir_bells_made() >= LASTING
  rang = true
  return setmetatable({ queue = queue, folder = folder, fleeting = fleeting }, Bell)
end


local function release(bell)
  C.weir_bell_free(ffi.gc(bell, nil))
end


-- Whether a timer is no longer needed, or not the one that was started last.
local function superseded(self, turn)
  return self.stopped or self.turn ~= turn
end


local function connect(self, bell, turn)
  local address = ffi.string(C.weir_bell_address(bell))
  local sock = ngx.socket.tcp()
  sock:settimeouts(1000, 1000, FOREVER)
  local host, port = address:match "^([%d.]+):(%d+)$"
  local good, why = sock:connect(host or address, tonumber(port))
  if not good then return nil, ("no doorbell: %s: %s"):format(address, why) end
  if superseded(self, turn) then return nil, "no doorbell: nginx is too slow" end
  if C.weir_bell_answer(bell) < 0 then
    return nil, "no doorbell: it did not see its connection"
  end
  return sock
end


local function open(self, turn)
  if C.weir_bell_new(slot, self.queue.cq, self.folder, failure) < 0 then
    return nil, ffi.string(failure.message)
  end
  local bell = ffi.gc(slot[0], C.weir_bell_free)
  if failure.code ~= 0 then ngx.log(ngx.WARN, "weir: ", ffi.string(failure.message)) end
  local sock, why = connect(self, bell, turn)
  if not sock then
    release(bell)
    return nil, why
  end
  self.bell, self.failure = bell, nil
  return sock
end


local function close(self, sock)
  local bell = self.bell
  self.bell = nil
  release(bell)
  sock:close()
end


-- Drains the queue at every byte, until the bell may end or breaks.
local function listen(self, sock)
  local queue = self.queue
  while not self.stopped do
    queue.drain()
    if (self.fleeting or ngx.worker.exiting()) and queue.pending() == 0 then return end
    local bytes, why = sock:receiveany(64)
    if not bytes then
      ngx.log(ngx.ERR, "weir: the doorbell broke: ", why)
      return
    end
  end
end


local function fail(self, why)
  self.failure, self.failed = why, ngx.now()
  ngx.log(ngx.ERR, "weir: ", why)
  if self.queue.pending() > 0 then ngx.sleep(PATIENCE) end
end


local function serve(_, self, turn)
  while not superseded(self, turn) do
    local sock, why = open(self, turn)
    if sock then
      listen(self, sock)
      close(self, sock)
    elseif not superseded(self, turn) then
      fail(self, why)
    end
    if self.stopped or self.queue.pending() == 0 then break end
  end
  if self.turn == turn then self.turn = nil end
end


--- Starts the bell if it is not up or starting. Returns true, or nil and why.
function Bell:start()
  if self.bell then return true end
  local time = ngx.now()
  if self.failure and time - self.failed < PATIENCE then return nil, self.failure end
  if self.turn and time - self.turn.started < PATIENCE then return true end
  local turn = { started = time }
  local set, why = ngx.timer.at(0, serve, self, turn)
  if not set then return nil, "no doorbell: no timer: " .. why end
  self.turn = turn
  return true
end


--- Wakes the bell, so that it checks whether it may end.
function Bell:ring()
  if self.bell then C.weir_bell_ring(self.bell) end
end


--- Ends the bell.
function Bell:stop()
  self.stopped = true
  self:ring()
end


return Bell
