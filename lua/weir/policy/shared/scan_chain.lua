-- policy/shared/scan_chain.lua: one scan over several stores, one after the other. Used
-- by policies that keep different keys in different stores. A store that fails is put
-- off: the others are listed first, then that store is asked again, and only then does
-- its error end the scan. So a scan that fails has listed all that it could. A retry of
-- the page that failed asks that store again.
--
-- A cursor is never changed, since a retry gives the same one twice. Its fields:
--   at, inner   the part that is being listed, and the cursor of its own store
--   done        the parts that were listed to their ends
--   late        the parts that were put off, { at, inner } each
--   again       whether only those are left

local Page = require "weir.policy.shared.scan_page"
local Reply = require "weir.core.reply"

local Chain = {}


local function with(cursor, changes)
  local copy = {}
  for name, value in pairs(cursor) do copy[name] = value end
  copy.inner = nil
  for name, value in pairs(changes) do copy[name] = value end
  return copy
end


local function append(list, item)
  local longer = { unpack(list) }
  longer[#longer + 1] = item
  return longer
end


-- The cursor of the next part; nil: there is none.
local function onward(parts, cursor, changes)
  local following = with(cursor, changes)
  if not cursor.again and cursor.at < #parts then
    following.at = cursor.at + 1
    return following
  end
  local first = following.late[1]
  if not first then return nil end
  following.again, following.at, following.inner = true, first[1], first[2]
  following.late = { unpack(following.late, 2) }
  return following
end


local function page(req, bytes, cursor)
  local reply = Reply.new(req)
  reply:set(1, "ok", { value = bytes })
  reply.cursors = cursor and { cursor }
  return reply
end


local function failed(req, parts, cursor, reply)
  local part = parts[cursor.at]
  local alone = cursor.at == #parts and #cursor.late == 0
  if not cursor.again and not alone then
    local late = append(cursor.late, { cursor.at, cursor.inner })
    return page(req, "", onward(parts, cursor, { late = late }))
  end
  if part.spare and part.spare(reply[1], cursor) then
    return page(req, "", onward(parts, cursor, {}))
  end
  return reply
end


--- The cursor of the beginning. more: further fields for the functions of the parts.
function Chain.start(more)
  return with({ at = 1, done = {}, late = {} }, more or {})
end


--- Answers one page. parts: { store, prefix, before, keep, spare } each.
---   prefix                what to ask for; default: what the request does
---   before()              what keep is told, from before the store is asked
---   keep(keys, cursor, before) a list that says of each key whether it is listed
---   spare(status, cursor) whether the scan is complete although this part failed
function Chain.scan(req, parts, cursor)
  cursor = req.cursors and req.cursors[1] or cursor or Chain.start()
  local part = parts[cursor.at]
  if not part then return page(req, "") end
  local sub = req:within(req.deadline)
  sub.keys, sub.cursors = { part.prefix or req.keys[1] }, { cursor.inner }
  local before = part.before and part.before()
  local reply = part.store:run(sub)
  if reply[1] ~= "ok" then return failed(req, parts, cursor, reply) end
  if part.keep then
    Page.filter(reply, function(keys) return part.keep(keys, cursor, before) end)
  end
  local inner = reply.cursors and reply.cursors[1]
  local following = inner and with(cursor, { inner = inner })
    or onward(parts, cursor, { done = append(cursor.done, cursor.at) })
  reply.cursors = following and { following }
  return reply
end


--- The prefix under which a store with keys that begin with `own` answers a scan of
--- `asked`: the longer of the two; nil: no key begins with both.
function Chain.overlap(own, asked)
  if asked:sub(1, #own) == own then return asked end
  if own:sub(1, #asked) == asked then return own end
end


return Chain
