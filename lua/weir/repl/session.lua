-- session.lua: what a session holds: its stores by name, the current one, what a
-- line sees when it is evaluated, jobs in the background.
local Asked = require "weir.repl.asked"
local Error = require "weir.error"
local Ffi = require "weir.ffi"
local Guard = require "weir.explore.guard"
local Host = require "weir.host"
local Opened = require "weir.explore.opened"
local Output = require "weir.repl.output"
local View = require "weir.explore.view"
local weir = require "weir"
local words = require "weir.words"

---@class weir.Session
---@field stores table<string, weir.Guard>
---@field names string[] of the stores, in the order of opening
---@field current string? the store that dot commands mean
---@field code integer the exit code so far
local Session = {}
Session.__index = Session

local CLOSE = { timeout = 2 }


local function environment(self)
  local env = { weir = weir, _G = _G }
  env.print = function(...) self.output:printed(...) end
  env.spawn = function(fn, ...) self:background(fn, ...) end
  return setmetatable(env, {
    __index = function(_, name)
      local store = self.stores[name]
      if store then return store end
      local global = _G[name]
      if global ~= nil then return global end
      return words.find(name)
    end,
  })
end


--- Makes a session that reads and writes through `input`.
---@param fields { input: table, interactive: boolean, read_only: boolean? }
---@return weir.Session
function Session.new(fields)
  local self = setmetatable(fields, Session)
  self.stores, self.names, self.marks = {}, {}, {}
  self.jobs, self.code, self.agreed = 0, 0, {}
  self.seen, self.asked = { count = 0 }, Asked.new()
  self.output = Output.new(self.input, self.interactive)
  self.env = environment(self)
  return self
end


-- ---- stores ----

local function free_name(self, wanted)
  local name, n = wanted, 1
  while self.stores[name] do
    n = n + 1
    name = wanted .. n
  end
  return name
end


-- Asks once an evaluation for each store.
local function confirm(self, name, question)
  if not self.interactive or self.input.reading then return false end
  if self.agreed[name] == nil then
    local answer = self.input:read(question .. " [y/N] ")
    self.agreed[name] = answer ~= nil and answer:lower():find "^%s*y" ~= nil
  end
  return self.agreed[name]
end


local function guard(self, name, store, marks)
  return Guard.new {
    inner = store, title = name, opened_as = marks.opened_as,
    prod = marks.prod, read_only = self.read_only,
    confirm = function(question) return confirm(self, name, question) end,
    notice = function(text) self.output:remark(text) end,
    seen = function(req, reply)
      for i = 1, req.n do self.asked:count(name, req.keys[i]) end
      local seen = self.seen
      seen.count, seen.level = seen.count + 1, reply:level(1)
    end,
  }
end


--- Opens a store; what is wrong is raised. The first one becomes the current one.
---@param target string
---@param name string?
---@return string name
function Session:open(target, name)
  if name and not name:find "^[%a_][%w_]*$" then
    error(("'%s' is no name: letters, digits and _"):format(name), 0)
  end
  if name and self.stores[name] then
    error(name .. " is open; .close it first, or choose another name", 0)
  end
  local store, marks = Opened.open(target)
  name = name or free_name(self, marks.title:gsub("^%d", "_%0"))
  marks.target = target
  self.stores[name], self.marks[name] = guard(self, name, store, marks), marks
  table.insert(self.names, name)
  self.current = self.current or name
  return name
end


--- Closes a store and forgets it.
---@param name string
function Session:close(name)
  local store, before = self.stores[name], self.marks[name].before
  self.stores[name], self.marks[name] = nil, nil
  for i, other in ipairs(self.names) do
    if other == name then table.remove(self.names, i) end
  end
  if self.current == name then self.current = self.names[1] end
  store:close(CLOSE)
  if before then before:close(CLOSE) end
end


--- Puts another tree under a name: a newer reading of its file. What is in flight
--- ends on the one before, which undo brings back.
---@param name string
---@param store weir.Store
function Session:replace(name, store)
  local marks, guarded = self.marks[name], self.stores[name]
  if marks.before then marks.before:close(CLOSE) end
  marks.before, guarded.inner = guarded.inner, store
end


--- Brings back what was under a name before the last replace; again, undoes that.
---@return boolean there was one
function Session:undo(name)
  local marks, guarded = self.marks[name], self.stores[name]
  if not marks.before then return false end
  marks.before, guarded.inner = guarded.inner, marks.before
  return true
end


--- The name of a store that is open, or an error with the nearest one.
function Session:must_have(name)
  if self.stores[name] then return name end
  error(("no store is called %s%s"):format(name, Ffi.suggest(name, self.names)), 0)
end


--- The store that dot commands mean, or nil.
---@return weir.Guard?
function Session:current_store()
  return self.current and self.stores[self.current]
end


-- ---- running ----

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


--- Runs a function beside the lines that are typed; prints what becomes of it.
function Session:background(fn, ...)
  self.jobs = self.jobs + 1
  local mark = ("[%d] "):format(self.jobs)
  return Host.spawn(function(...)
    local results = { pcall(fn, ...) }
    if results[2] == Host.KILLED then error(Host.KILLED, 0) end
    if not results[1] or not results[2] and Error.is(results[3]) then
      self.output:fail(mark .. tostring(results[3] or results[2]))
      self:worse(3)
    else
      self.output:print(mark .. self.output:text(results[2]))
    end
  end, ...)
end


--- Closes all stores.
function Session:finish()
  while #self.names > 0 do self:close(self.names[#self.names]) end
end


return Session
