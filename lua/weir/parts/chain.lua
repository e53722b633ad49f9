-- parts/chain.lua: one scan over several stores, one after the other. The cursor says
-- which store, and where in it. Used by policies whose keys lie in several.

local Reply = require "weir.reply"

local Chain = {}


--- Answers one page. parts: { store, prefix } each; prefix nil: the request's.
function Chain.scan(req, parts)
  local cursor = req.cursors and req.cursors[1]
  local at, inner = cursor and cursor[1] or 1, cursor and cursor[2]
  local part = parts[at]
  local reply
  if part then
    local sub = req:within(req.deadline)
    sub.keys, sub.cursors = { part[2] or req.keys[1] }, { inner }
    reply = part[1]:run(sub)
  else
    reply = Reply.new(req)
    reply:set(1, "ok", { value = "" })
  end
  if reply[1] ~= "ok" then return reply end
  local following = reply.cursors and reply.cursors[1]
  reply.cursors = nil
  if following then
    reply.cursors = { { at, following } }
  elseif at < #parts then
    reply.cursors = { { at + 1 } }
  end
  return reply
end


local function page_at(req, store, cursor)
  local sub = req:within(req.deadline)
  sub.cursors = { cursor }
  return store:run(sub)
end


--- Answers a page from the first of several equal stores that can, and stays with
--- it until the scan is over.
function Chain.first(req, stores)
  local cursor = req.cursors and req.cursors[1]
  local reply
  for at = cursor and cursor[1] or 1, #stores do
    reply = page_at(req, stores[at], cursor and cursor[2])
    if reply[1] == "ok" then
      local following = reply.cursors and reply.cursors[1]
      reply.cursors = following and { { at, following } } or nil
      return reply
    end
    if cursor then break end
  end
  return reply
end


--- The part of a scan that a store with keys under `own` can answer: the longer
--- of the two prefixes, or nil when they exclude each other.
function Chain.overlap(own, asked)
  if asked:sub(1, #own) == own then return asked end
  if own:sub(1, #asked) == asked then return own end
end


return Chain
