-- parts/split.lua: sends each slot of a batch to the store that owns its key, all
-- stores at once, and puts the answers back in their places. Used by route and
-- shard, which differ in what pick(key) says.

local Parallel = require "weir.parts.parallel"
local Reply = require "weir.reply"

local new_table = require "table.new"

-- The owner of keys that belong to nobody.
local NOBODY = {}


-- Slots by owner: owners[i] is asked for slots[i].
local function by_owner(req, pick, context)
  local keys, n = req.keys, req.n
  local owners, lists, counts, kinds = {}, {}, {}, 0
  for i = 1, n do
    local owner = pick(context, keys[i]) or NOBODY
    local list = lists[owner]
    if not list then
      list = new_table(n, 0)
      kinds = kinds + 1
      owners[kinds], lists[owner], counts[owner] = owner, list, 0
    end
    local count = counts[owner] + 1
    counts[owner], list[count] = count, i
  end
  return owners, lists, kinds
end


local function refuse(reply, slots, message)
  for j = 1, #slots do reply:set(slots[j], "invalid", { message = message }) end
end


--- Runs a request; pick(context, key) -> the key's store, or nil: the slot is
--- answered invalid with `message`.
return function(req, pick, context, message)
  local owners, lists, kinds = by_owner(req, pick, context)
  if kinds == 1 and owners[1] ~= NOBODY then return owners[1]:run(req) end
  local reply = Reply.new(req)
  local stores, requests, n = {}, {}, 0
  for i = 1, kinds do
    local owner = owners[i]
    if owner == NOBODY then
      refuse(reply, lists[owner], message)
    else
      n = n + 1
      stores[n], requests[n] = owner, req:subset(lists[owner])
    end
  end
  local replies = Parallel.run(stores, requests, n)
  for i = 1, n do reply:place(replies[i], lists[stores[i]]) end
  return reply
end
