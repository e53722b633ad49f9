-- serve/fast_path.lua: lets the listener answer gets by itself where a tree of policies
-- would answer with a hit of its first store, a memory, and do nothing else. Each node
-- from the root down to that store says so (Store:fast_path). Keys that the store does
-- not have go through the tree.
--
-- A node may take it back at any time, for example while a tier knows of an old copy.
-- So the tree is asked before each turn of the listener: while that runs, nothing runs
-- in Lua. After the turn each node counts the hits, so that its statistics are those of
-- the tree without a fast path, with one difference: a request with hits and misses
-- counts as two, one for the hits and one for the rest.

local ffi = require "ffi"
local S = require("weir.ffi").serve()

local FastPath = {}
FastPath.__index = FastPath


--- Of one database. handle: the server's.
function FastPath.new(handle, db)
  return setmetatable({ handle = handle, db = db, nodes = {}, n = 0,
    counts = ffi.new "struct weir_fast_path" }, FastPath)
end


-- The inline store that answers hits for a tree. Notes the nodes on the way.
local function find(self, root)
  local n, store = 0, root
  while store and not store.handle do
    n = n + 1
    self.nodes[n] = store
    store = store:fast_path()
  end
  self.n = n
  return store and store.immediate and store or nil
end


--- Before a turn of the listener. root: the tree that serves now.
function FastPath:open(root)
  local store = find(self, root)
  if store == self.store then return end
  self.store = store
  S.weir_server_fast_path(self.handle, self.db, store and store.handle or nil,
    self.counts)
end


--- After the turn: adds the hits to the counts of the tree.
function FastPath:count()
  local counts = self.counts
  if counts.batches == 0 then return end
  local hits = {
    batches = tonumber(counts.batches), keys = tonumber(counts.keys),
    bytes = tonumber(counts.bytes), seconds = tonumber(counts.total_ns) * 1e-9,
    longest = tonumber(counts.longest_ns) * 1e-9,
  }
  ffi.fill(counts, ffi.sizeof(counts))
  for i = 1, self.n do self.nodes[i]:count_hits(hits) end
end


return FastPath
