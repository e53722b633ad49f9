-- policy/shared/scan_copies.lua: a scan over stores that hold copies of the same keys.
-- It lists each key once, and only if a read would find it. Used by tier, mirror,
-- failover, bysize and warmup.
--
-- No list of keys is kept. The stores are listed from the last to the first, which is
-- the order in which copies do not move. A key is left out if a store that was listed
-- before has it. One exists request a page and store finds that out. Two cases need
-- more. A key that was written or copied since the scan began may have come to such a
-- store after that store was listed. It is listed again. A key that a write moved into
-- a store that was listed already may be in no other store any more. So the stores are
-- listed again for the keys written since the scan began.

local Again = require "weir.policy.shared.scan_again"
local Chain = require "weir.policy.shared.scan_chain"

local Copies = {}

local PASSES = 3 -- the most passes over the stores, to find keys that were moved


-- Leaves out the keys that a store has that was listed before. Returns the slots that
-- it does not have.
local function leave_out(node, suspects, ask, slots, since, keep)
  local answer, left = suspects:read(ask), {}
  for j, i in ipairs(slots) do
    if answer[j] ~= "ok" then
      left[#left + 1] = i
    elseif node.generations:still(ask.keys[j], since) then
      keep[i] = false
    end
  end
  return left
end


-- The slots of keys of a page of child `at` that may be listed: those that are not
-- suspect copies. An old copy that was deleted after the child made the page is not
-- suspect any more, so the child is asked again if there was one. cleared: how many
-- there were when the page was asked for.
local function own_keys(how, at, keys, cursor, cleared, keep)
  local node, slots = how.node, {}
  local suspects = node.suspects[at]
  for i, key in ipairs(keys) do
    keep[i] = not suspects:has(key)
      and not (cursor.only and node.generations:still(key, cursor.only))
    if keep[i] then slots[#slots + 1] = i end
  end
  if suspects:cleared() == cleared then return slots end
  return Again.ask(node.children[at], how.req, keys, slots, keep)
end


-- Chooses the keys of a page of child `at` that are listed: those of its own that no
-- store has that was listed before. how: { node, req, order, spare, finds }.
local function choose(how, at, keys, cursor, cleared)
  local node, keep = how.node, {}
  local slots = own_keys(how, at, keys, cursor, cleared, keep)
  for _, turn in ipairs(cursor.done) do
    if #slots == 0 then return keep end
    local ask = Again.request(how.req, keys, slots)
    slots = leave_out(node, node.suspects[how.order[turn]], ask, slots, cursor.since,
      keep)
  end
  local answer = how.finds and how.finds(node, at, Again.request(how.req, keys, slots))
  for j, i in ipairs(answer and slots or {}) do keep[i] = answer[j] ~= "miss" end
  return keep
end


local function spare_part(how, at, status, cursor)
  local done = {}
  for i, turn in ipairs(cursor.done) do done[i] = how.order[turn] end
  return how.spare ~= nil and how.spare(how.node, at, status, done)
end


local function parts_of(how)
  local parts, n = {}, #how.node.children
  for turn = 1, n do
    local at = n + 1 - turn
    how.order[turn] = at
    parts[turn] = {
      store = how.node.children[at],
      before = function() return how.node.suspects[at]:cleared() end,
      keep = function(keys, cursor, cleared)
        return choose(how, at, keys, cursor, cleared)
      end,
      spare = function(status, cursor) return spare_part(how, at, status, cursor) end,
    }
  end
  return parts
end


local function begin(node, only, pass)
  return Chain.start { since = node.generations:now(), only = only, pass = pass }
end


--- Answers a page of a scan over the children of a node that has `generations`, and
--- `suspects` for each child. spare(node, at, status, done): whether the scan is
--- complete although child `at` failed; `done` lists the children that did not;
--- default: never. finds(node, at, req): the answer of a read to keys that child `at`
--- has, or nil: it finds them all; default: it finds them all.
function Copies.scan(node, req, spare, finds)
  local cursor = req.cursors and req.cursors[1] or begin(node, nil, 1)
  local how = { node = node, req = req, order = {}, spare = spare, finds = finds }
  local reply = Chain.scan(req, parts_of(how), cursor)
  if reply[1] ~= "ok" or reply.cursors then return reply end
  if cursor.pass < PASSES and node.generations:moved_since(cursor.since) then
    reply.cursors = { begin(node, cursor.since, cursor.pass + 1) }
  end
  return reply
end


return Copies
