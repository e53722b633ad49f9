-- policy/shared/split.lua: sends each slot of a batch to the store that owns its key,
-- all stores at once, and puts the answers into the places of the slots. Used by
-- route, shard and percent, which pick the owner in different ways.

local ffi = require "ffi"
local Parallel = require "weir.policy.shared.parallel"
local Reply = require "weir.core.reply"

local new_table = require "table.new"
local indices = ffi.typeof "uint32_t[?]"

-- Arrays of SIZE that no request uses.
local SIZE = 512
local spare, n_spare = {}, 0


-- Returns an array for n numbers. The array is put into a table first: LuaJIT (2.1 of
-- 2023) may give an array that compiled code makes and drops a length of -1, since its
-- allocation sinking forgets the length of a cdata of variable length. It does not sink
-- what a table holds.
local function new_indices(n)
  if n > SIZE or n_spare == 0 then
    local made = indices(math.max(n, SIZE))
    spare[n_spare + 1] = made
    return made
  end
  n_spare = n_spare - 1
  return spare[n_spare + 1]
end


local function give_back(array, n)
  if n > SIZE then return end
  n_spare = n_spare + 1
  spare[n_spare] = array
end


-- Finds the owner of each slot, 0 for none, and how many slots each owner has. There is
-- one for each pick: a shared loop would be compiled for the first pick, and every key
-- of the others would leave that trace.
local ASSIGN = [[
return function(self, req, owner, counts, pick)
  local keys = req.keys
  for i = 1, req.n do
    local at = pick(self, keys[i])
    owner[i] = at
    counts[at] = (counts[at] or 0) + 1
  end
end
]]


-- Fills `order` with the slots, one owner after the other. ends[at] is where the slots
-- of an owner end, counts[at] how many there are. `order` is an array of C, since lists
-- would be one table a store.
local function order_by(order, owner, counts, n, stores)
  local ends, sum = new_table(stores, 1), 0
  for at = 0, stores do
    ends[at] = sum
    sum = sum + counts[at]
  end
  for i = 1, n do
    local at = owner[i]
    order[ends[at]] = i
    ends[at] = ends[at] + 1
  end
  return ends
end


local function list(order, from, count)
  local slots = new_table(count, 0)
  for i = 1, count do slots[i] = order[from + i - 1] end
  return slots
end


-- Lets stores that never wait answer straight into the reply. Returns the other stores,
-- the request and the slots for each, and how many there are.
local function run_immediate(self, req, reply, order, ends, counts)
  local stores, requests, slots, n = {}, {}, {}, 0
  for at = 1, #self.stores do
    local store, count = self.stores[at], counts[at]
    local from = ends[at] - count
    if count > 0 and store.run_slots and store.immediate and not req.trace then
      store:run_slots(req, order + from, count, reply)
    elseif count > 0 then
      n = n + 1
      slots[n] = list(order, from, count)
      stores[n], requests[n] = store, req:subset(slots[n])
    end
  end
  return stores, requests, slots, n
end


local Split = {}

local assigners = setmetatable({}, { __mode = "k" }) -- by pick

local function assigner(pick)
  local assign = assert(loadstring(ASSIGN, "=assign"))()
  assigners[pick] = assign
  return assign
end


-- The store that owns all slots; nil: there are several.
local function sole_owner(self, owner, counts, n)
  local first = n > 0 and owner[1] or 0
  return first > 0 and counts[first] == n and self.stores[first] or nil
end


-- The arrays go back to the pool before any task can wait.
local function split(self, req, owner, counts, message)
  local reply, order = Reply.new(req), new_indices(req.n)
  local ends = order_by(order, owner, counts, req.n, #counts)
  for i = 0, counts[0] - 1 do
    reply:set(order[i], "invalid", { message = message, store = self.name })
  end
  local stores, requests, slots, n =
    run_immediate(self, req, reply, order, ends, counts)
  give_back(order, req.n)
  give_back(owner, req.n + 1)
  if n == 0 then return reply end
  local replies = Parallel.run(stores, requests, n)
  for k = 1, n do reply:place(replies[k], slots[k]) end
  return reply
end


-- The same as run, for a request for one key.
local function run_one(self, req, pick, message)
  local store = self.stores[pick(self, req.keys[1])]
  if store then return store:run(req) end
  return Reply.uniform(req, "invalid", message, self.name)
end


--- Runs a request over self.stores. pick(self, key) returns the index of the key's
--- store there, or 0 for none: such a slot is answered invalid with `message`. A word
--- has few picks, and they take what differs from node to node from self: what LuaJIT
--- makes of a pick is then used for all nodes.
function Split.run(self, req, pick, message)
  local n = req.n
  if n == 1 then return run_one(self, req, pick, message) end
  local owner, counts = new_indices(n + 1), new_table(#self.stores, 1)
  local assign = assigners[pick] or assigner(pick)
  assign(self, req, owner, counts, pick)
  for at = 0, #self.stores do counts[at] = counts[at] or 0 end
  local sole = sole_owner(self, owner, counts, n)
  if not sole then return split(self, req, owner, counts, message) end
  give_back(owner, n + 1)
  return sole:run(req)
end


return Split
