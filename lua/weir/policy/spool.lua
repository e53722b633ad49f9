-- spool { path=, max="64MiB", every="1s" }: a delete that its store fails to make is
-- written to a file and sent again until the store has made it, as mcrouter's spool.
-- Without that, a store that was down for the time of a delete serves the old value
-- when it is back.
--
-- Such a delete is answered ok, marked in reply.maybe: whether there was a value is not
-- known. mcrouter answers as if the key had not been there. That is honest because from
-- then on the key is deleted as far as callers can see: reads of it are a miss, and the
-- store is not asked. A set that the store takes ends the delete. It is acknowledged
-- when the file says so, too, so no crash brings the delete back. There is one write of
-- such a key at a time, so a delete that is sent again never meets a later set.
--
-- When `max` bytes wait, or the file fails, a failed delete is answered with the
-- store's error, as without this word, and is counted (dropped). Errors that another
-- attempt cannot mend (denied, unsupported, invalid) are never kept.

local Again = require "weir.policy.shared.scan_again"
local Arguments = require "weir.policy.shared.arguments"
local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Owner = require "weir.policy.spool.owner"
local Page = require "weir.policy.shared.scan_page"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"

local Spool = Node.word "spool"

Spool.HELP = "A delete that fails is written to a file, and sent again until the store "
  .. "has made it."
Spool.EXAMPLE = 'far:spool { path = "/var/lib/weir/spool" }'
Spool.OPTIONS = {
  { "path", at = 1, is = "path", required = "path = a folder",
    help = "a folder for this store in this process alone; deletes survive there" },
  { "max", is = "size", default = 64 * 2 ^ 20,
    help = "bytes of deletes that may wait; over that one that fails is an error" },
  { "every", is = "seconds", default = 1,
    help = "pause before a delete is sent again" },
}

-- Errors that another attempt cannot mend.
local FINAL = { denied = true, unsupported = true, invalid = true }


function Spool.new(child, ...)
  local given = Arguments.read("spool", Spool.OPTIONS, ...)
  local node = Spool:node { children = { child }, child = child, immediate = false }
  node.owner = Owner.new(node, given)
  node.unsaved = node.owner
  return node
end


-- ---- reading ----

-- A key whose delete waits is not there.
local function read(self, req)
  local pending = self.owner.pending
  if pending.dirty.count == 0 then return self.child:run(req) end
  local slots = pending:slots(req)
  if #slots == req.n then return self.child:run(req) end
  if req.trace then
    req.trace:decide(self, ("%d of %d wait to be deleted"):format(req.n - #slots,
      req.n))
  end
  local reply = Reply.uniform(req, "miss")
  if #slots > 0 then reply:place(self.child:run(req:subset(slots)), slots) end
  return reply
end


-- A delete may be made after the store made the page. Then its key waits no longer, and
-- the store is asked again.
local function scan(self, req)
  local pending = self.owner.pending
  local ended = pending:ended()
  local reply = self.child:run(req)
  if reply[1] ~= "ok" then return reply end
  local changed = pending:ended() > ended
  if pending.dirty.count == 0 and not changed then return reply end
  Page.filter(reply, function(keys)
    local keep, slots = {}, {}
    for i, key in ipairs(keys) do
      keep[i] = pending:get(key) == nil
      if keep[i] then slots[#slots + 1] = i end
    end
    if changed then Again.ask(self.child, req, keys, slots, keep) end
    return keep
  end)
  return reply
end


-- ---- writing ----

-- Keeps the deletes of a request that failed, in a task of its own: a caller that is
-- killed leaves none half kept.
local function keep(self, req, reply)
  local keys, slots = {}, {}
  for i = 1, req.n do
    if status.class[reply[i]] == "error" and not FINAL[reply[i]] then
      keys[#keys + 1], slots[#slots + 1] = req.keys[i], i
    end
  end
  local pending = self.owner.pending
  if #keys == 0 or not self.owner:keeps() then return reply end
  if req.trace then req.trace:decide(self, ("%d failed"):format(#keys)) end
  local refused = Detach.call(req.deadline, pending.keep, pending, keys)
  for _, i in ipairs(refused and slots or {}) do
    local why = refused[req.keys[i]]
    if why then
      local err = reply:error(i)
      reply:set(i, reply[i], { message = err.message .. "; not kept: " .. why })
    else
      reply:set(i, "ok")
      reply:note("maybe", i, true)
    end
  end
  return reply
end


local function delete(self, req)
  local reply = self.child:run(req)
  return reply:all "good" and reply or keep(self, req, reply)
end


-- Ends the deletes of the keys that the store has taken a write of. If the file does
-- not take that, the delete is still to come, so a set has failed.
local function settle(self, req, reply)
  local keys, slots = {}, {}
  for i = 1, req.n do
    local class = status.class[reply[i]]
    if class == "good" or req.op == "delete" and class == "miss" then
      keys[#keys + 1], slots[#slots + 1] = req.keys[i], i
    end
  end
  local why = self.owner.pending:finish(keys)
  for _, i in ipairs(why and req.op ~= "delete" and slots or {}) do
    if self.owner.pending.dirty:get(req.keys[i]) then
      reply:set(i, "failed", { store = self.name,
        message = ("%s: the key is deleted later: %s"):format(self.name, why) })
    end
  end
  return reply
end


-- A write of keys of which some have a delete that waits, under the locks of all.
local function overwrite(self, req)
  if req.op == "set" or req.op == "delete" then
    local reply = settle(self, req, self.child:run(req))
    return req.op == "delete" and keep(self, req, reply) or reply
  end
  -- Any other write looks at the value that is there, so the delete has to come first.
  local pending = self.owner.pending
  local first = req:subset(pending:slots(req, true))
  first.op, first.values, first.ttl, first.ttls = "delete", nil, nil, nil
  settle(self, first, self.child:run(first))
  local slots = pending:slots(req)
  local reply = Reply.uniform(req, "unavailable", ("%s: a delete of the key waits for "
    .. "%s"):format(self.name, self.child.name), self.name)
  if #slots > 0 then reply:place(self.child:run(req:subset(slots)), slots) end
  return reply
end


local function write(self, req)
  local pending = self.owner.pending
  if pending.dirty.count > 0 and #pending:slots(req, true) > 0 then
    return pending.locks:write(self, req, overwrite)
  end
  return req.op == "delete" and delete(self, req) or self.child:run(req)
end


function Spool:answer(req)
  local failed = self.owner:begin(req)
  if failed then return failed end
  if Op.lookups[req.op] then return read(self, req) end
  if req.op == "scan" then return scan(self, req) end
  return write(self, req)
end


-- ---- reload, numbers ----

function Spool:inherit(old, heirs)
  self.owner:inherit(old.owner)
  return Node.inherit(self, old, heirs)
end


-- What tally returns.
Spool.STATS = {
  { "pending", is = "gauge", help = "deletes that wait to be sent again" },
  { "bytes", is = "gauge", unit = "bytes", help = "what they count for" },
  { "oldest", is = "gauge", unit = "seconds",
    help = "seconds that the oldest of them has waited" },
  { "spooled", is = "counter", help = "failed deletes that were kept" },
  { "replayed", is = "counter", help = "deletes that the store made later" },
  { "superseded", is = "counter", help = "deletes that a later write ended" },
  { "dropped", is = "counter",
    help = "failed deletes that were not kept: max was reached, or the file failed" },
  { "failures", is = "counter", help = "attempts to send one again that failed" },
  { "recovered", is = "counter", help = "deletes found in the file" },
  { "file_bytes", is = "gauge", unit = "bytes", help = "size of the file" },
}

function Spool:tally()
  local pending = self.owner.pending
  local counts, dirty, flusher = pending.counts, pending.dirty, pending.flusher
  local oldest = dirty:oldest()
  return { pending = dirty.count, bytes = dirty.bytes,
    oldest = oldest and host.now() - oldest or 0, spooled = counts.spooled,
    replayed = flusher.counts.flushed, superseded = counts.superseded,
    dropped = counts.dropped, failures = flusher.counts.failed,
    recovered = counts.recovered,
    file_bytes = pending.journal and pending.journal.bytes or 0 }
end


function Spool:plan(op, key)
  local waits = self.owner.pending:get(key)
  if Op.lookups[op] and waits then return "deleted; the store has yet to do it", {} end
  if op == "delete" then return "sent again if the store fails", { self.child } end
  if Op.writes[op] and waits then return "ends a delete that waits", { self.child } end
  return "passes", { self.child }
end


return Spool
