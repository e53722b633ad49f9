-- trace.lua: store:trace(key) runs a get and returns what happened at each node,
-- in the order in which they were asked, as data: where, op, status, bytes,
-- seconds, attempts, level, and the decision when the node took one.

local Request = require "weir.request"
local host = require "weir.host"

local Trace = {}
Trace.__index = Trace


function Trace.new(root)
  return setmetatable({ root = root, entries = {} }, Trace)
end


--- A node is asked. Returns the entry to fill when it has answered.
function Trace:enter(node, req, begun)
  local entry = { node = node, op = req.op, keys = req.n, begun = begun }
  self.entries[#self.entries + 1] = entry
  return entry
end


--- What the node did for the one key of the trace.
function Trace.leave(entry, req, reply, seconds)
  entry.status = reply[1]
  entry.bytes = req.op == "set" and req:bytes() or reply:bytes()
  entry.seconds = seconds
  entry.attempts = reply:attempts(1)
  entry.level = reply:level(1)
  local err = reply:error(1)
  entry.message = err and err.message
end


--- A node says why it does what it does next.
function Trace:decide(node, decision)
  for i = #self.entries, 1, -1 do
    local entry = self.entries[i]
    if entry.node == node then
      entry.decision = entry.decision and entry.decision .. "; " .. decision or decision
      return
    end
  end
end


--- Runs one request and returns its entries.
function Trace.run(store, key, op)
  local req = Request.one(op or "get", key, nil, 2)
  local trace = Trace.new(store)
  req.trace = trace
  local begun = host.now()
  local reply = store:run(req)
  if not store.word then
    Trace.leave(trace:enter(store, req, begun), req, reply, host.now() - begun)
  end
  return trace.entries
end


return Trace
