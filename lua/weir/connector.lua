-- connector.lua: the Lua half of connectors/lua, which runs a policy tree behind the C
-- interface. C makes a Lua state for each store, calls this once and the functions that
-- it returns from then on, on one thread at a time. `state` is shared with C: it says
-- which call begins, and collects those that have ended.

local ffi = require "ffi"
local Asks = require "weir.connector.asks"
local Calls = require "weir.connector.calls"
local Driven = require "weir.host.driven"
local Ffi = require "weir.ffi"
local Host = require "weir.host"
local Reload = require "weir.language.reload"

-- Seconds that the stores of a tree have to finish what is in flight.
local CLOSE = { timeout = 1 }


local function started(host, store, shared)
  local asks, answer = Asks.new(store, shared), Calls.answerer(store, shared)

  local function start()
    local call = shared.started
    if store.immediate then return answer(call) end
    host.spawn(answer, call)
  end

  local function turn()
    host.turn()
    shared.due = host.due() or -1
    asks.note(host.failure())
  end

  local function ask()
    host.spawn(asks.answer, shared.asked)
  end

  local function stop()
    host.run(function() store:close(CLOSE) end)
  end

  return start, turn, ask, stop
end


--- Loads the tree of a file. Returns start, turn, ask and stop. Raises what is wrong
--- with the file.
---@param address userdata of the struct weir_lua_shared
---@param declarations string of the structs that C shares
---@param file string
return function(address, declarations, file)
  Ffi.declare(declarations)
  local shared = ffi.cast("struct weir_lua_shared *", address)
  local host = Driven.new()
  Host.use(host)
  local good, store = pcall(Reload.open, file, { interruptible = true })
  if not good then
    host.stop()
    error(store, 0)
  end
  shared.fd = host.fd
  return started(host, store, shared)
end
