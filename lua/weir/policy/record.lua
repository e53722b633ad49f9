-- record { path = "kv.rec" }: writes what passes to a file that `weir replay` reads.
-- The path of a request only puts it in a ring; a task formats and writes it up to
-- 50 ms later. When the ring is full a batch is dropped and counted. A %p in the path
-- is the number of the process: the workers of nginx share no file.

local Arguments = require "weir.policy.shared.arguments"
local File = require "weir.policy.record.file"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Ring = require "weir.policy.record.ring"
local host = require "weir.host"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local Record = Node.word "record"
Record.REUSES = true

Record.HELP = "Writes each request and its answer to a file that weir replay reads. "
  .. "Requests do not wait for the file."
Record.EXAMPLE = 'tree:record { path = "kv.rec" }'
Record.OPTIONS = {
  { "path", at = 1, is = "path", required = "a path",
    help = "the file; %p is the number of the process" },
  { "size", is = "size", default = 64 * 2 ^ 20,
    help = "bytes of a file; then it becomes PATH.1 and a new one begins" },
  { "files", is = "count", default = 4, help = "files to keep; the oldest goes" },
  { "hash", is = "boolean", default = false,
    help = "write the hashes of keys instead of keys" },
  { "queue", is = "count", default = 65536,
    help = "keys that may wait to be written; more are dropped and counted" },
}

-- Keys that are written before others get their turn.
local AT_ONCE = 1024


-- Writes n keys that were added to the file, and counts them. Other nodes may have the
-- same file, so this comes before any of them runs.
local function flush(self, n)
  local lost = self.file:flush()
  self.written, self.failed = self.written + n - lost, self.failed + lost
end


local function drain(self, ring)
  local n, names, ops = 0, status.names, Op.names
  local slot, key = ring:take()
  while slot do
    self.file:add(slot.time, slot.batch, ops[slot.op], key, slot.size, slot.ttl,
      names[slot.status], slot.level)
    n = n + 1
    if n == AT_ONCE then
      flush(self, n)
      n = 0
      host.sleep(0)
    end
    slot, key = ring:take()
  end
  flush(self, n)
end


function Record.new(child, ...)
  local given = Arguments.read("record", Record.OPTIONS, ...)
  local path = given.path:gsub("%%p", tostring(C.weir_getpid()))
  local file, why = File.open(path, given.size, given.files, given.hash)
  if not file then error("record: " .. why, 0) end
  local node = Record:node { children = { child }, child = child, file = file,
    written = 0, failed = 0 }
  node.ring = Ring.new(given.queue, function(ring) drain(node, ring) end)
  return node
end


function Record:answer(req)
  local reply = self.child:run(req)
  if req.op ~= "scan" and not req.peek then self.ring:add(req, reply) end
  return reply
end


--- Writes what still waits, then closes what is below.
function Record:begin_close(opts)
  drain(self, self.ring)
  return Node.begin_close(self, opts)
end


-- The numbers of tally, as observe/schema.lua declares them.
Record.STATS = {
  { "recorded", is = "counter", help = "keys written to the file" },
  { "dropped", is = "counter", help = "keys not written: the queue was full" },
  { "waiting", is = "gauge", help = "keys that wait to be written" },
  { "failed", is = "counter", help = "keys not written: the file failed" },
}


function Record:tally()
  return { recorded = self.written, dropped = self.ring.dropped,
    waiting = self.ring:count(), failed = self.failed }
end


return Record
