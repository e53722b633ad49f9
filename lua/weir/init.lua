-- init.lua: the module `require "weir"`. weir.NAME is a policy word (weir.tier) or
-- opens a connector (weir.memory). The registry of policies and the runtime know which
-- there are.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local Host = require "weir.host"
local Options = require "weir.core.options"
local Signals = require "weir.signals"
local Store = require "weir.core.store"
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


-- Misuse is an error at the caller of the function that calls this.
local function must_be(kind, x, name, what)
  if type(x) == kind then return end
  error(("weir.%s takes %s, not %s"):format(name, what, Value.describe(x)), 3)
end


--- Runs a function as a task of a libev host until it returns, and returns its results.
--- Inside a run it just calls the function.
---@param main fun(...): ...
function weir.run(main, ...)
  must_be("function", main, "run", "a function")
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


-- The options of weir.load. The command uses the last two.
local LOADS = { "stores", "timeout", "params", "interruptible" }

local function check_loads(opts)
  for name in pairs(opts) do
    local known = false
    for _, option in ipairs(LOADS) do known = known or option == name end
    if not known then
      error(("weir.load has no option %q%s"):format(tostring(name),
        Ffi.suggest(tostring(name), LOADS)), 3)
    end
  end
end


--- Loads a policy file; see language/load.lua. stores: further words and their stores.
--- timeout: how long the code of the file may run (5 s).
---@param source string|function
---@param opts { stores: table<string, weir.Store>?, timeout: weir.Seconds? }?
---@return weir.Store
function weir.load(source, opts)
  if type(source) ~= "function" then
    must_be("string", source, "load", "a path or a function")
  end
  if opts ~= nil then
    must_be("table", opts, "load", "a table of options")
    check_loads(opts)
    opts = setmetatable({ timeout = Options.seconds("timeout", opts.timeout, 2) },
      { __index = opts })
  end
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
  if not Store.is(store) then
    error("weir.prometheus takes a store, not " .. Value.describe(store), 2)
  end
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

--- Begins a task: it runs at once, until it first waits.
---@param fn fun(...)
---@return table task
function weir.spawn(fn, ...)
  must_be("function", fn, "spawn", "a function")
  return Host.spawn(fn, ...)
end


--- Waits until a task ends. Returns true and its results, or false and its error.
---@param task table
---@return boolean ok, any ...
function weir.join(task)
  must_be("table", task, "join", "a task, as weir.spawn returns it")
  return Host.join(task)
end


--- Ends a task where it waits.
---@param task table
function weir.kill(task)
  must_be("table", task, "kill", "a task, as weir.spawn returns it")
  return Host.kill(task)
end


--- Lets others run for so long.
---@param seconds number
function weir.sleep(seconds)
  must_be("number", seconds, "sleep", "seconds")
  if seconds ~= seconds then error("weir.sleep takes seconds, not nan", 2) end
  return Host.sleep(seconds)
end


--- The time of the current host in seconds.
weir.now = Host.now

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
