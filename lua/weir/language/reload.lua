-- language/reload.lua: the store that weir.load returns. It stands for the tree of a
-- policy file and can read the file again. handle:reload() builds the new tree and then
-- swaps it in: new operations go to it, those in flight finish on the old one. A file
-- that does not load changes nothing. handle:undo() goes back one version, whose stores
-- stay open until the next reload.
--
-- Stores that no kept version uses are closed when the last operation on them has
-- ended. An operation whose caller vanished (nginx) never ends, so after PATIENCE
-- seconds they are closed anyway.

local Carry = require "weir.language.carry"
local Closing = require "weir.core.closing"
local host = require "weir.host"
local Load = require "weir.language.load"
local OldCopies = require "weir.language.old_copies"
local Policies = require "weir.language.policies"
local Store = require "weir.core.store"
local Unsaved = require "weir.core.unsaved"
local words = require "weir.language.words"

-- Seconds after which a retired version is closed even if it is in use.
local PATIENCE = 60

-- Seconds that a reload, an undo and a close wait for dirty writes (write = back {}).
local FLUSH = 5

---@class weir.Handle: weir.Store
local Handle = setmetatable({}, { __index = Store })
Handle.__index = Handle
Handle.__tostring = Store.__tostring


-- Adds what is to be closed with a store or node: itself, or stores that it opened.
local function add_open(list, store)
  if store.handle then list[#list + 1] = store end
  for _, own in ipairs(store.own_stores and store:own_stores() or {}) do
    list[#list + 1] = own
  end
end


-- Closes the stores that a version opened which never served.
local function abandon(carry)
  local stores = {}
  for _, store in ipairs(carry.fresh) do add_open(stores, store) end
  Closing.all(stores, { drop = true })
end


-- Reads the file and makes a version. Stores of the version `before` are used again.
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
    abandon(carry)
    return nil, root
  end
  return { root = root, carry = carry, in_flight = 0 }
end


local function use(self, version)
  self.version = version
  local root = version.root
  self.children, self.name = { root }, root.name
  self.immediate, self.bounded = root.immediate, root.bounded
  self.reuses, self.forgets = root.reuses, root.reuses or root.handle ~= nil
  -- A word that changes verbs (serialize) changes those of the file.
  for name in pairs(self.verbs or {}) do self[name] = nil end
  self.verbs = root.verbs
  for name, verb in pairs(self.verbs or {}) do self[name] = verb end
end


-- Closes the stores of a version that no kept version uses.
local function close(self, version)
  if version.closed then return end
  version.closed = true
  local kept, stores = self.version.carry:all(), {}
  for store in pairs(self.before and self.before.carry:all() or {}) do
    kept[store] = true
  end
  for store in pairs(version.carry:all()) do
    if not kept[store] then add_open(stores, store) end
  end
  Closing.all(stores)
end


-- Retires a version that neither serves nor can be gone back to.
local function retire(self, version)
  version.retired = true
  if version.in_flight == 0 then return close(self, version) end
  version.timer = host.timer(PATIENCE, function() close(self, version) end)
end


-- Ends an operation on a version. The last one on a retired version closes it.
local function leave(self, version)
  version.in_flight = version.in_flight - 1
  if version.in_flight > 0 or not version.retired then return end
  if version.timer then version.timer:cancel() end
  host.spawn(close, self, version)
end


function Handle:run(req)
  local version = self.version
  version.in_flight = version.in_flight + 1
  local reply = version.root:run(req)
  leave(self, version)
  return reply
end


-- Another version would not see the writes that are dirty in this one. So they are
-- flushed, except those in nodes that the other version uses, too. From then on, which
-- is without a wait until the other version serves, writes in flight here are not made
-- dirty. Returns why not, or nil.
local function hand_over(version, other)
  local kept, by = other.carry:all(), host.now() + FLUSH
  local left = Unsaved.left(version.root, kept)
  while left do
    local failed = Unsaved.flush(version.root, math.max(by - host.now(), 0), kept)
    if failed or host.now() >= by then return failed or left end
    left = Unsaved.left(version.root, kept)
    -- A write is about to become dirty.
    if left then host.sleep(0.001) end
  end
  Unsaved.retire(version.root, other.root, kept)
end


--- Reads the file again. true, or nil and why nothing has changed.
---@return boolean? reloaded, string? err
function Handle:reload()
  local old = self.version
  local new, err = build(self, old)
  if not new then return nil, tostring(err) end
  local lost = hand_over(old, new)
  if lost then
    abandon(new.carry)
    return nil, "nothing is reloaded: " .. lost.message
  end
  Carry.inherit(old.root, new.root)
  local last = self.before
  self.before = old
  use(self, new)
  if last and last ~= old then retire(self, last) end
  return true
end


--- Goes back to the tree before the last reload. Copies that it made before in stores
--- that the newer tree does not use are deleted. true, or nil and why not.
---@return boolean? undone, string? err
function Handle:undo()
  local before = self.before
  if not before then return nil, "there is no earlier version to go back to" end
  local undone = self.version
  local lost = hand_over(undone, before)
  if lost then return nil, "nothing is undone: " .. lost.message end
  local failed = OldCopies.drop(before, undone, FLUSH)
  if failed then
    return nil, "nothing is undone, old copies cannot be deleted: " .. failed.message
  end
  Carry.inherit(undone.root, before.root)
  use(self, before)
  self.before = nil
  retire(self, undone)
  return true
end


--- Flushes dirty writes, then begins to close all stores of both versions. Returns a
--- function that waits for the end.
function Handle:begin_close(opts)
  local lost = Unsaved.at_close(self, opts)
  local stores = {}
  for _, version in pairs { self.version, self.before } do
    version.closed = true
    for store in pairs(version.carry:all()) do add_open(stores, store) end
  end
  return Unsaved.told(Closing.begin(stores, opts), lost)
end


-- The handle is not shown in trees: these methods show the tree of the file.
for _, method in ipairs { "tree", "explain" } do
  Handle[method] = function(self, ...)
    local root = self.version.root
    return root[method](root, ...)
  end
end


--- The stats of the tree by path. Those of a file that is one store of a connector are
--- that store's, as without the file.
function Handle:stats()
  local root = self.version.root
  if not root.handle then return Store.stats(self) end
  local facts = root:stats()
  facts.fetch = self.loading and self.loading:tally() or nil
  return facts
end


function Handle:trace(key, opts)
  return self.version.root:trace(key, opts)
end


local Reload = {}

--- Loads a policy file (or a function that stands for one).
function Reload.open(source, opts)
  local self = setmetatable({ source = source, given = opts and opts.stores or {},
    params = opts and opts.params, load_timeout = opts and opts.timeout,
    interruptible = opts and opts.interruptible }, Handle)
  local version, err = build(self, nil)
  if not version then error(err, 0) end
  use(self, version)
  return self
end


return Reload
