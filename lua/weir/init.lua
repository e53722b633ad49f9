-- init.lua: the module `require "weir"`. weir.NAME is a policy word (weir.tier) or
-- opens a connector (weir.memory). The registry of policies and the runtime know which
-- there are.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local Host = require "weir.host"
local Signals = require "weir.signals"
local Value = require "weir.core.value"
local words = require "weir.language.words"

local open = words.opener "open"

---@class weir
local weir = {}


-- Returns the results of a run. If a signal ended the run, it ends the process.
local function ran(good, ...)
  if good then return ... end
  if Signals.is((...)) then Signals.die((...)) end
  error((...), 0)
end


--- Runs a function as a task of a libev host until it returns, and returns its results.
--- Inside a run it just calls the function.
---@param main fun(...): ...
function weir.run(main, ...)
  if type(main) ~= "function" then
    error("weir.run takes a function, not " .. Value.describe(main), 2)
  end
  if Host.current().name ~= "plain" then return main(...) end
  return ran(pcall(require("weir.host.ev").new().run, main, ...))
end


--- Opens a store by URL ("fs:///var/cache?sync=data") or connector name.
---@param url string
---@param options table? as in the URL, and winning over it
---@return weir.Store
function weir.open(url, options)
  return open(url, options)
end


--- Loads a policy file; see language/load.lua. stores: further words and their stores.
--- timeout: seconds that the code of the file may take (5).
---@param source string|function
---@param opts { stores: table<string, weir.Store>?, timeout: number? }?
---@return weir.Store
function weir.load(source, opts)
  return require("weir.language.reload").open(source, opts)
end


--- The names of the connectors that are installed.
---@return string[]
function weir.connectors()
  return words.connectors()
end


--- LMCache's multi-process interface over a store; see l2.lua.
---@param store weir.Store
---@param opts { timeout: weir.Seconds?, scan: boolean?, keys: integer?,
---  pin: (number|string)? }?
---@return weir.L2
function weir.l2(store, opts)
  return require("weir.l2").new(store, opts)
end


--- The statistics of a store in Prometheus' text format.
---@param store weir.Store
---@return string
function weir.prometheus(store)
  local Prometheus = require "weir.prometheus"
  return Prometheus.text { Prometheus.collect(store) }
end


--- The version of the runtime.
---@return string
function weir.version()
  return ffi.string(Ffi.C.weir_version())
end


--- Make a Value: of a string's bytes, or filled as bytes come.
weir.value, weir.build = Value.new, Value.build

-- Tasks and time of the current host.
weir.spawn, weir.join, weir.kill = Host.spawn, Host.join, Host.kill
weir.sleep, weir.now = Host.sleep, Host.now

-- Says what the program does at a signal; see signals.lua.
weir.on_signal = Signals.on


return setmetatable(weir, {
  __index = function(_, name)
    local word = words.find(name)
    if word == nil then
      error(("weir has no word %q%s"):format(tostring(name), words.suggest(name)), 2)
    end
    rawset(weir, name, word)
    return word
  end,
})
