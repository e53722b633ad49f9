-- observe/trace.lua: store:trace(key) runs a get and returns the result at each node,
-- in the order of the requests, as data: path, op, status, bytes, seconds, attempts,
-- level, message, and the decision of the node.

local Paths = require "weir.observe.paths"

local Trace = {}
Trace.__index = Trace


function Trace.new()
  return setmetatable({}, Trace)
end


-- The entry of the parent that sent the request: the last one that is not done yet.
local function asker(self, store)
  for i = #self, 1, -1 do
    for _, child in pairs(not self[i].status and self[i].store.children or {}) do
      if child == store then return self[i] end
    end
  end
end


--- A store gets a request. Returns the entry that leave fills in.
function Trace:enter(store, req)
  local entry = { store = store, op = req.op, n = req.n, asker = asker(self, store) }
  self[#self + 1] = entry
  return entry
end


--- Fills in the result of a store for the key of the trace.
function Trace.leave(entry, req, reply, seconds)
  entry.status = reply[1]
  entry.bytes = req.op == "set" and req:bytes() or reply:bytes()
  entry.seconds = seconds
  entry.attempts = reply:attempts(1)
  entry.level = reply:level(1)
  local err = reply:error(1)
  entry.message = err and err.message
end


--- Adds a node's reason for its next step.
function Trace:decide(store, decision)
  for i = #self, 1, -1 do
    local entry = self[i]
    if entry.store == store and not entry.status then
      entry.decision = entry.decision and entry.decision .. "; " .. decision or decision
      return
    end
  end
end


-- The place of a store whose request came from no node: the root, or a store outside of
-- the tree.
local function first_place(paths, store)
  for _, place in ipairs(paths.list) do
    if place.store == store then return place end
  end
  return { path = store.name, store = store, children = {} }
end


--- Names the stores of the entries by their places in the tree of `root`.
function Trace:finish(root)
  local paths = Paths.of(root)
  for _, entry in ipairs(self) do
    local above = entry.asker and entry.asker.place
    entry.place = above and Paths.below(above, entry.store)
      or first_place(paths, entry.store)
  end
  for _, entry in ipairs(self) do
    entry.path, entry.node = entry.place.path, entry.store.name
    entry.word = entry.store.word
    entry.store, entry.asker, entry.place = nil, nil, nil
  end
  return self
end


function Trace:__tostring()
  local lines = {}
  for i, entry in ipairs(self) do
    lines[i] = ("%-32s %-7s %-11s %8d B %10.1f us  %s"):format(entry.path or "?",
      entry.op, entry.status or "", entry.bytes or 0, (entry.seconds or 0) * 1e6,
      entry.decision or "")
  end
  return table.concat(lines, "\n")
end


return Trace
