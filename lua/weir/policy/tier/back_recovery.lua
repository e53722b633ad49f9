-- policy/tier/back_recovery.lua: how a write-back, which is `self`, begins with its
-- journal. Used by write-back.

local Beginning = require "weir.policy.shared.beginning"
local Dirty = require "weir.policy.shared.dirty"
local host = require "weir.host"
local Journal = require "weir.policy.shared.journal"
local Reply = require "weir.core.reply"
local Request = require "weir.core.request"

local Recovery = {}


-- Copies of recovered keys in the upper stores may be older.
local function forget_above(self, list)
  local node, keys, every = self.node, {}, {}
  for i, entry in ipairs(list) do keys[i], every[i] = entry.key, i end
  local req = Request.new("delete", keys)
  for level = 1, node.depth - 1 do
    node.suspects[level]:invalidate(req, every, Reply.uniform(req, "ok"))
  end
end


-- Reads the journal, and makes dirty what the authority may not have. Returns true, or
-- nil, a status and a sentence.
local function recover(self)
  local options, list, status, why = self.options
  if not self.journal then
    self.journal, status, why = Journal.open(options.journal, options.sync, self)
    if not self.journal then return nil, status, why end
    self.flusher.journal = self.journal
  end
  list, status, why = self.journal:recover()
  if not list then return nil, status, why end
  for _, found in ipairs(list) do
    local entry = Dirty.entry(found.key, found.value, found.ends)
    entry.record, entry.since = found.record, host.now() - options.after
    self.dirty:put(entry)
  end
  if #list > 0 then forget_above(self, list) end
  self.recovered = self.recovered + #list
  self.flusher:start()
  return true
end


--- Begins to use the journal, once. Returns the reply to a request when it cannot be
--- used, or not before the deadline.
function Recovery.begin(self, req)
  return Beginning.run(self, req, self.node.name, recover)
end


--- Whether a journal has to be read first. There is none in virtual time.
function Recovery.is_due(self)
  return not self.ready and not self.retired
    and (self.journal or self.options.journal and not host.current().set_clock)
end


return Recovery
