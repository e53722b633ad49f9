-- native/guard.lua: what processes that share a store tell each other about its keys:
-- whether a copy may be stored, who writes, who loads (weir_guard in runtime/weir.h).
-- A ticket is a number. Used by tier, mirror, coalesce, negative, ttl and fetch.

local ffi = require "ffi"
local C = require("weir.ffi").C

local Guard = {}
Guard.__index = Guard

local BUSY = 16 -- EBUSY
local ANSWERS = { [C.WEIR_GUARD_OK] = "ok", [C.WEIR_GUARD_SHARED] = "shared",
  [C.WEIR_GUARD_WAIT] = "wait", [C.WEIR_GUARD_LOST] = "lost",
  [C.WEIR_GUARD_ABSENT] = "absent" }
local OUTCOMES = { stored = C.WEIR_GUARD_OK, absent = C.WEIR_GUARD_ABSENT,
  failed = C.WEIR_GUARD_LOST }

local array = ffi.typeof "struct weir_guard_key[?]"
local room, list = 64, nil


-- An array for n keys; it is used again by the next call.
local function keys_of(keys, n)
  if not list or n > room then
    room = math.max(room, n)
    list = array(room)
  end
  for i = 1, n do
    local one, key = list[i - 1], keys[i]
    one.key, one.key_len = key, #key
  end
  return list
end


local one_key = {}

local function one_of(key)
  one_key[1] = key
  return keys_of(one_key, 1)
end


--- The guard of a store of C; nil: it cannot guard.
function Guard.of(handle)
  if C.weir_guard(handle, C.WEIR_GUARD_LOOK, nil, 0) ~= 0 then return nil end
  return setmetatable({ handle = handle, name = ffi.string(C.weir_store_name(handle)) },
    Guard)
end


-- The ticket of a key that was not looked at. It is never good.
Guard.BAD = 1

-- ---- copies ----

--- The tickets for copies of values that are read from now on, by slot.
---@param keys string[]
---@return number[]
function Guard:look(keys, n)
  local items, tickets = keys_of(keys, n), {}
  local rc = C.weir_guard(self.handle, C.WEIR_GUARD_LOOK, items, n)
  for i = 1, n do
    tickets[i] = rc == 0 and tonumber(items[i - 1].ticket) or Guard.BAD
  end
  return tickets
end


--- The ticket for one key.
function Guard:look_one(key)
  local items = one_of(key)
  local rc = C.weir_guard(self.handle, C.WEIR_GUARD_LOOK, items, 1)
  return rc == 0 and tonumber(items[0].ticket) or Guard.BAD
end


--- Whether no write of the key began since its ticket was given.
function Guard:good(key, ticket)
  local items = one_of(key)
  items[0].ticket = ticket
  return C.weir_guard(self.handle, C.WEIR_GUARD_CHECK, items, 1) == 0
    and items[0].answer == C.WEIR_GUARD_OK
end


-- ---- writes ----

-- Ends the writes of some slots that were begun. One that cannot be ended, because a
-- stopped process holds a lock, is ended when its key is used next.
local function finish(self, keys, tickets, slots)
  for _, i in ipairs(slots) do
    local items = one_of(keys[i])
    items[0].ticket = tickets[i]
    C.weir_guard(self.handle, C.WEIR_GUARD_END, items, 1)
  end
end


--- Ends the writes of n keys, or of those that have a ticket.
function Guard:finish(keys, n, tickets)
  local slots = {}
  for i = 1, n do
    if tickets[i] then slots[#slots + 1] = i end
  end
  finish(self, keys, tickets, slots)
end


local VERBS = { begin = C.WEIR_GUARD_BEGIN, lock = C.WEIR_GUARD_LOCK,
  keep = C.WEIR_GUARD_BEGIN + C.WEIR_GUARD_KEEP,
  lock_keep = C.WEIR_GUARD_LOCK + C.WEIR_GUARD_KEEP }

--- Begins writes of n keys, all or none. how: "begin" deletes the copies, "lock" also
--- keeps other writes away, "keep" and "lock_keep" leave the copies. Returns the
--- tickets and which keys had a copy, by slot; or nil and "wait" or "busy".
---@return number[]? tickets, table|string found
function Guard:begin(how, keys, n)
  local items, tickets, found, begun = keys_of(keys, n), {}, {}, {}
  local rc = C.weir_guard(self.handle, VERBS[how], items, n)
  if rc < 0 then return nil, rc == -BUSY and "busy" or "lost" end
  for i = 1, n do
    local item = items[i - 1]
    if item.answer ~= C.WEIR_GUARD_WAIT then
      begun[#begun + 1], tickets[i] = i, tonumber(item.ticket)
      found[i] = item.ms == 1
    end
  end
  if #begun == n then return tickets, found end
  finish(self, keys, tickets, begun)
  return nil, "wait"
end


--- Begins writes of those keys whose tickets are good, and keeps other writes away.
--- keep: the copies stay. Returns the new tickets, by slot; the slots of the other keys
--- have none.
function Guard:claim(keys, n, tickets, keep)
  local items, claimed = keys_of(keys, n), {}
  local verb = C.WEIR_GUARD_CLAIM + (keep and C.WEIR_GUARD_KEEP or 0)
  for i = 1, n do items[i - 1].ticket = tickets[i] end
  if C.weir_guard(self.handle, verb, items, n) < 0 then return claimed end
  for i = 1, n do
    if items[i - 1].answer == C.WEIR_GUARD_OK then
      claimed[i] = tonumber(items[i - 1].ticket)
    end
  end
  return claimed
end


-- ---- loads ----

--- Asks to be the only process that loads a key, for so many seconds at most. Returns
--- "ok" and the lease; "wait" and the lease of another process; "absent" and the
--- seconds for which it is known that there is no value; or "lost": load without one.
---@return string answer, number? lease_or_seconds
function Guard:lease(key, seconds)
  local items = one_of(key)
  items[0].ms = math.max(1, math.ceil(seconds * 1000))
  if C.weir_guard(self.handle, C.WEIR_GUARD_LEASE, items, 1) ~= 0 then return "lost" end
  local answer = ANSWERS[items[0].answer]
  if answer == "absent" then return answer, tonumber(items[0].ms) / 1000 end
  return answer, tonumber(items[0].ticket)
end


--- How it stands with the lease of another process: "wait": it loads. "ok": the value
--- is stored. "absent": there is none. "lost": the load failed, or the process died.
function Guard:watch(key, lease)
  local items = one_of(key)
  items[0].ticket = lease
  if C.weir_guard(self.handle, C.WEIR_GUARD_WATCH, items, 1) ~= 0 then return "wait" end
  return ANSWERS[items[0].answer]
end


--- Ends an own lease. outcome: "stored", "absent" or "failed". seconds, ticket: how
--- long an absence is taken for granted, as long as the ticket of before the load is
--- good.
function Guard:settle(key, lease, outcome, seconds, ticket)
  local items = one_of(key)
  items[0].ticket, items[0].answer = lease, OUTCOMES[outcome]
  items[0].ms, items[0].seen = math.ceil((seconds or 0) * 1000), ticket or Guard.BAD
  C.weir_guard(self.handle, C.WEIR_GUARD_SETTLE, items, 1)
end


return Guard
