-- language/reload.lua: what weir.load returns: a store that stands for the tree of a
-- policy file and can read the file again. handle:reload() builds the new tree aside
-- and swaps it in: new operations go to it, those under way finish on the old one.
-- A file that does not load changes nothing. handle:undo() goes back one generation,
-- whose stores are kept open until the next reload.
--
-- What a generation had and the kept ones have not is closed when its last operation
-- has ended; one whose caller vanished (nginx) never says so, so after a while it is
-- closed all the same.

local Carry = require "weir.language.carry"
local Closing = require "weir.core.closing"
local host = require "weir.host"
local Load = require "weir.language.load"
local Policies = require "weir.language.policies"
local Store = require "weir.core.store"
local words = require "weir.language.words"

-- Seconds after which a retired generation is closed, whoever still uses it.
local PATIENCE = 60

---@class weir.Handle: weir.Store
local Handle = setmetatable({}, { __index = Store })
Handle.__index = Handle
Handle.__tostring = Store.__tostring


-- Reads the file; what can be carried over from `before` is.
local function build(self, before)
  local carry = Carry.new(before and before.carry)
  local function open(name)
    if self.given[name] or Policies.words[name] then return nil end
    local word = words.opener(name)
    return word and function(...) return carry:store(name, word, ...) end
  end
  local function maker(word, make, ...) return carry:store(word, make, ...) end
  local ok, root = Policies.with_maker(maker, Load.build, self.source,
    { stores = self.given, params = self.params, open = open,
      timeout = self.load_timeout, interruptible = self.interruptible })
  if not ok then
    local stores = {}
    for _, store in ipairs(carry.fresh) do
      if store.handle then stores[#stores + 1] = store end
    end
    Closing.all(stores, { drop = true })
    return nil, root
  end
  return { root = root, carry = carry, flying = 0 }
end


local function use(self, generation)
  self.generation = generation
  local root = generation.root
  self.children, self.name = { root }, root.name
  self.immediate, self.bounded = root.immediate, root.bounded
end


-- Closes the stores that no kept generation has.
local function close(self, generation)
  if generation.closed then return end
  generation.closed = true
  local kept, stores = self.generation.carry:all(), {}
  for store in pairs(self.before and self.before.carry:all() or {}) do
    kept[store] = true
  end
  for store in pairs(generation.carry:all()) do
    if store.handle and not kept[store] then stores[#stores + 1] = store end
  end
  Closing.all(stores)
end


-- A generation that neither serves nor can be gone back to.
local function retire(self, generation)
  generation.retired = true
  if generation.flying == 0 then return close(self, generation) end
  generation.timer = host.timer(PATIENCE, function() close(self, generation) end)
end


-- The operation that ends the use of a retired generation.
local function leave(self, generation)
  generation.flying = generation.flying - 1
  if generation.flying > 0 or not generation.retired then return end
  if generation.timer then generation.timer:cancel() end
  host.spawn(close, self, generation)
end


function Handle:run(req)
  local generation = self.generation
  generation.flying = generation.flying + 1
  local reply = generation.root:run(req)
  leave(self, generation)
  return reply
end


--- Reads the file again. true, or nil and why nothing has changed.
---@return boolean? reloaded, string? err
function Handle:reload()
  local old = self.generation
  local new, err = build(self, old)
  if not new then return nil, tostring(err) end
  Carry.inherit(old.root, new.root)
  local last = self.before
  self.before = old
  use(self, new)
  if last and last ~= old then retire(self, last) end
  return true
end


--- Goes back to the tree before the last reload. true, or nil: there is none.
---@return boolean? undone, string? err
function Handle:undo()
  local before = self.before
  if not before then return nil, "there is no earlier generation to go back to" end
  local undone = self.generation
  Carry.inherit(undone.root, before.root)
  use(self, before)
  self.before = nil
  retire(self, undone)
  return true
end


--- Begins to close everything that the generations opened.
function Handle:begin_close(opts)
  local stores = {}
  for _, generation in pairs { self.generation, self.before } do
    generation.closed = true
    for store in pairs(generation.carry:all()) do
      if store.handle then stores[#stores + 1] = store end
    end
  end
  return Closing.begin(stores, opts)
end


-- The handle has no place of its own in what shows the tree.
for _, method in ipairs { "tree", "stats", "explain" } do
  Handle[method] = function(self, ...)
    local root = self.generation.root
    return root[method](root, ...)
  end
end


function Handle:trace(key, opts)
  return self.generation.root:trace(key, opts)
end


local Reload = {}

--- Loads a policy file (or a function that stands for one).
function Reload.open(source, opts)
  local self = setmetatable({ source = source, given = opts and opts.stores or {},
    params = opts and opts.params, load_timeout = opts and opts.timeout,
    interruptible = opts and opts.interruptible }, Handle)
  local generation, err = build(self, nil)
  if not generation then error(err, 0) end
  use(self, generation)
  return self
end


return Reload
