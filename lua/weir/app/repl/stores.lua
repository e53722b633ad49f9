-- app/repl/stores.lua: the stores of a session, by name, each behind a guard, and which
-- of them is the current one. Methods of session.lua.
local Destroy = require "weir.app.explore.destroy"
local Ffi = require "weir.ffi"
local Guard = require "weir.app.explore.guard"
local Opened = require "weir.app.explore.opened"

---@class weir.Session
local Stores = {}

local CLOSE = { timeout = 2 }


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
    local answer = self.input:ask(question .. " [y/N] ")
    self.agreed[name] = answer ~= nil and answer:lower():find "^%s*y" ~= nil
  end
  return self.agreed[name]
end


local function guard(self, name, store, marks)
  return Guard.new {
    inner = store, title = name, opened_as = marks.opened_as,
    prod = marks.prod, read_only = self.read_only, scope = "this line",
    confirm = function(question) return confirm(self, name, question) end,
    notice = function(text) self.output:remark(text) end,
    seen = function(req, reply)
      for i = 1, req.n do self.asked:count(name, req.keys[i]) end
      self.level = req.n == 1 and reply:level(1) or nil
    end,
  }
end


local function enter(self, name, store, marks)
  self.stores[name] = guard(self, name, store, marks)
  table.insert(self.names, name)
  self.current = self.current or name
end


-- A name in LuaJIT, which may have UTF-8.
local NAME = "[%a_\128-\255][%w_\128-\255]*"


--- Opens a store, or raises an error. The first one becomes the current one.
---@param target string a URL, a connector or a policy file, perhaps NAME=...
---@param name string? without one the target chooses
---@return string name
function Stores:open(target, name)
  if not name then
    local given, rest = target:match("^(" .. NAME .. ")=(.+)$")
    name, target = given, rest or target
  end
  if name and not name:find("^" .. NAME .. "$") then
    error(("'%s' is no name: letters, digits and _"):format(name), 0)
  end
  if name and self.stores[name] then
    error(name .. " is open; .close it first, or choose another name", 0)
  end
  local store, marks = Opened.open(target, self.read_only)
  name = name or free_name(self, marks.title:gsub("^%d", "_%0"))
  enter(self, name, store, marks)
  return name
end


--- Takes in a store that was made in the session, under the name it was given.
---@param name string
---@param store weir.Store
function Stores:adopt(name, store)
  self:forget(name)
  enter(self, name, store, { prod = Guard.is_prod(store) })
end


--- Drops a name. Its store stays open, since others may be made of it.
---@param name string
function Stores:forget(name)
  self.stores[name] = nil
  for i, other in ipairs(self.names) do
    if other == name then table.remove(self.names, i) end
  end
  if self.current == name then self.current = self.names[1] end
end


-- Raises an error unless a store can and may be destroyed.
local function must_destroy(store)
  Destroy.check(store)
  local why = Guard.refusal(store, nil, "destroy it")
  if why then error(why, 0) end
end


--- Closes a store and forgets it.
---@param name string
---@param destroy boolean? the store itself goes, too
function Stores:close(name, destroy)
  local store = self.stores[name]
  if destroy then must_destroy(store) end
  self:forget(name)
  if destroy then Destroy.run(store, CLOSE) else store:close(CLOSE) end
end


--- The name of a store that is open, or an error with the nearest one.
function Stores:must_have(name)
  if self.stores[name] then return name end
  error(("no store is called %s%s"):format(name, Ffi.suggest(name, self.names)), 0)
end


--- The store that dot commands mean, or nil.
---@return weir.Guard?
function Stores:current_store()
  return self.current and self.stores[self.current]
end


return Stores
