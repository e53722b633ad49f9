-- parts/split.lua: sends each slot of a batch to the store that owns its key, all
-- stores at once, and puts the answers back in their places. Used by route and
-- shard, which differ in what pick(key) says.

local ffi = require "ffi"
local Parallel = require "weir.parts.parallel"
local Reply = require "weir.reply"

local new_table = require "table.new"
local indices = ffi.typeof "uint16_t[?]"


-- The owner of each slot, 0 for nobody, and how many slots each owner has.
local function assign(self, req, owner, counts)
  local keys, pick = req.keys, self.pick
  for i = 1, req.n do
    local at = pick(self, keys[i])
    owner[i] = at
    counts[at] = counts[at] + 1
  end
end


-- The slots of each owner that has some.
local function lists_of(owner, counts, n, stores)
  local lists = {}
  for at = 0, stores do
    if counts[at] > 0 then
      lists[at] = new_table(counts[at], 0)
      counts[at] = 0
    end
  end
  for i = 1, n do
    local at = owner[i]
    local filled = counts[at] + 1
    lists[at][filled] = i
    counts[at] = filled
  end
  return lists
end


-- Asks what waits at once; what never waits answers straight into the reply.
local function ask(self, req, reply, lists)
  local stores, requests, slots, n = {}, {}, {}, 0
  for at, store in ipairs(self.stores) do
    local list = lists[at]
    if list and store.run_slots and store.immediate and not req.trace then
      store:run_slots(req, list, reply)
    elseif list then
      n = n + 1
      stores[n], requests[n], slots[n] = store, req:subset(list), list
    end
  end
  if n == 0 then return end
  local replies = Parallel.run(stores, requests, n)
  for k = 1, n do reply:place(replies[k], slots[k]) end
end


--- Runs a request over self.stores; self.pick(self, key) is the index of the key's
--- store, or 0: the slot is answered invalid with `message`.
return function(self, req, message)
  local n, stores = req.n, #self.stores
  local owner, counts = indices(n + 1), new_table(stores, 1)
  for at = 0, stores do counts[at] = 0 end
  assign(self, req, owner, counts)
  local first = owner[1]
  if first > 0 and counts[first] == n then return self.stores[first]:run(req) end
  local reply = Reply.new(req)
  local lists = lists_of(owner, counts, n, stores)
  for _, i in ipairs(lists[0] or {}) do
    reply:set(i, "invalid", { message = message, store = self.name })
  end
  ask(self, req, reply, lists)
  return reply
end
