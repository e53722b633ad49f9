-- app/repl/session.lua: the state of a session: its stores by name, the current one,
-- the variables that a line sees, jobs in the background.
local Asked = require "weir.app.repl.asked"
local Closing = require "weir.core.closing"
local Evaluate = require "weir.app.repl.evaluate"
local Exit = require "weir.app.exit"
local Guard = require "weir.app.explore.guard"
local Host = require "weir.host"
local Output = require "weir.app.repl.output"
local Store = require "weir.core.store"
local Stores = require "weir.app.repl.stores"
local View = require "weir.app.explore.view"
local weir = require "weir"
local words = require "weir.language.words"

---@class weir.Session
---@field stores table<string, weir.Guard>
---@field names string[] of the stores, in the order of opening
---@field current string? the store that dot commands mean
---@field code integer the exit code so far
local Session = {}
Session.__index = Session

for name, method in pairs(Stores) do Session[name] = method end


-- The variables of a line: the session's stores and variables, Lua, the words. A store
-- that is given a name becomes one of the session's.
local function environment(self)
  return setmetatable({}, {
    __index = function(_, name)
      local value = self.stores[name]
      if value == nil then value = self.variables[name] end
      if value == nil then value = _G[name] end
      if value == nil then value = words.find(name) end
      return value
    end,
    __newindex = function(_, name, value)
      if Store.is(value) and not Guard.is(value) then
        self.variables[name] = nil
        self:adopt(name, value)
      else
        if self.stores[name] then self:forget(name) end
        self.variables[name] = value
      end
    end,
  })
end


--- Makes a session that reads and writes through `input`.
---@param fields { input: table, interactive: boolean, read_only: boolean? }
---@return weir.Session
function Session.new(fields)
  local self = setmetatable(fields, Session)
  self.stores, self.names = {}, {}
  self.jobs, self.running = 0, {}
  self.code, self.agreed = Exit.OK, {}
  self.asked = Asked.new()
  self.output = Output.new(self.input, self.interactive)
  self.env = environment(self)
  self.variables = {
    weir = weir,
    print = function(...) self.output:printed(...) end,
    spawn = function(fn, ...) self:background(fn, ...) end,
  }
  return self
end


--- Where a dot command writes.
---@return weir.View
function Session:view()
  local output = self.output
  return View.new {
    print = function(text) output:print(text) end,
    remark = function(text) output:remark(text) end,
    json = output.format == "json",
    quiet = not self.interactive,
    later = function(on) self.more = on end,
  }
end


--- Remembers the worst exit code.
function Session:worse(code)
  if code and code > self.code then self.code = code end
end


--- Runs a function in the background, and prints its result.
function Session:background(fn, ...)
  local n = self.jobs + 1
  self.jobs = n
  self.running[n] = true
  local task = Host.spawn(function(...)
    local fine, err = pcall(function(...)
      self:worse(self.output:job(n, Evaluate.call(fn, ...)))
    end, ...)
    self.running[n] = nil
    if fine then return end
    if err == Host.KILLED or Exit.is(err) then error(err, 0) end
    self.output:fail(("[%d] %s"):format(n, tostring(err)))
    self:worse(Exit.ERROR)
  end, ...)
  if self.running[n] then self.running[n] = task end
end


--- Waits for all that runs in the background.
function Session:join()
  while next(self.running) do Host.join((select(2, next(self.running)))) end
end


--- Closes all stores.
function Session:finish()
  local stores = {}
  while #self.names > 0 do
    local name = self.names[#self.names]
    stores[#stores + 1] = self.stores[name]
    self:forget(name)
  end
  Closing.all(stores, { timeout = 2 })
end


return Session
