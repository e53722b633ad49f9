-- policy/spool/owner.lua: a spool node's hold on its pending deletes (pending.lua): it
-- begins to use them at the first request, and lets another version of the policy file
-- have them. It is what flush, close and reload know of a spool (core/unsaved.lua).

local Error = require "weir.core.error"
local host = require "weir.host"
local Pending = require "weir.policy.spool.pending"
local Reply = require "weir.core.reply"

local Owner = {}
Owner.__index = Owner


--- node: the spool. options: of the word.
function Owner.new(node, options)
  return setmetatable({ node = node, options = options,
    pending = Pending.of(options.path) }, Owner)
end


--- Begins to serve. Returns the reply to a request when that cannot be, or not before
--- the deadline.
function Owner:begin(req)
  if self.ready or self.retired then return nil end
  local pending, name = self.pending, self.node.name
  local other = pending.owner
  if other and other ~= self and not other.retired then
    return Reply.uniform(req, "invalid", ("%s: %s: another spool of this process uses "
      .. "this folder"):format(name, pending.path), name)
  end
  local failed = pending:begin(req, self)
  self.ready = not failed
  return failed
end


--- Whether a failed delete may be kept. Not by a version that no other one replaces:
--- nothing would send it again.
function Owner:keeps()
  return not self.retired or self.pending.owner ~= self
end


--- Takes over from the node of an older version, where they do not share a folder.
function Owner:inherit(old)
  if self:passes_to(old) then self.pending = old.pending end
end


--- Uses no journal: what the node writes is not real (ghost).
function Owner:without_journal()
  self.pending = Pending.new(self.pending.path)
  self.pending.ready = true
end


-- ---- flush, close, reload ----

--- Whether the deletes that wait outlive the process.
function Owner:lasts()
  return self.pending.journal ~= nil
end


--- Whether another version's object takes over the deletes that wait.
function Owner:passes_to(other)
  return getmetatable(other) == Owner and other.pending.path == self.pending.path
end


--- Sends the deletes again that wait now, within so many seconds if given. Returns
--- those that are left, as { key =, status = } in a list, or nil.
function Owner:flush(seconds)
  local left = self.pending.flusher:flush(seconds and host.now() + seconds)
  if not left then return nil end
  local list = {}
  for i, entry in ipairs(left) do
    list[i] = { key = entry.key, status = entry.status or "timeout" }
  end
  return list
end


--- The deletes that wait, as flush returns them.
function Owner:left()
  local list = {}
  self.pending.dirty:each(function(entry)
    list[#list + 1] = { key = entry.key, status = entry.status or "skipped" }
  end)
  return #list > 0 and list or nil
end


--- An error about deletes that are left, with the list as err.left.
function Owner:error(left)
  local err = Error.new(left[1].status, ("%s: %d deletes wait for %s, the first is of "
    .. "%q (%s)"):format(self.node.name, #left, self.node.child.name, left[1].key,
    left[1].status), self.node.name)
  err.left = left
  return err
end


--- Another version begins to serve, or this one does again.
function Owner:retire(retired)
  self.retired, self.ready = retired, false
end


function Owner:stop()
  self.retired = true
  if self.pending.owner == self then self.pending:stop() end
end


return Owner
