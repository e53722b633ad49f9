-- policy/ttl/setting.lua: gives values their times to live: the node's own or the
-- caller's, and where old values are kept, so much longer in the store below. Notes how
-- long each is fresh.

local host = require "weir.host"
local status = require "weir.core.status"

local new_table = require "table.new"

local Setting = {}


-- The time to live of a value that asks for `own` seconds; nil: none. That of this
-- node is shortened by chance.
local function limited(self, own, default)
  local max = self.max
  if not self.force and own and not (max and own > max) then return own end
  local time = self.force and self.seconds or own and max or default or max
  return time and time * (1 - self.jitter * host.random())
end


-- Says for each slot whether its time can be noted. Only then may the value live
-- longer.
local function can_note(self, req)
  local kept, more = {}, 0
  if self.shared then
    for i = 1, req.n do kept[i] = true end
    return kept
  end
  for i = 1, self.keep and req.n or 0 do
    local key = req.keys[i]
    kept[i] = self.times:room(key, more)
    if kept[i] and not self.times:get(key) then more = more + 1 end
    if not kept[i] then self.counts.untimed = self.counts.untimed + 1 end
  end
  return kept
end


-- Notes the time of a value that was set. After a set without a reply the old value may
-- still be there.
local function note(self, key, name, time)
  if name == "ok" then
    self.times:put(key, time)
    self.times:lease(key, nil)
  elseif status.applied[name] == "maybe" then
    self.times:put(key, math.min(self.times:get(key) or time, time))
  end
end


-- Notes what a set has done to the times of its keys. fresh: the times to live.
local function note_all(self, req, reply, fresh, kept)
  local now = host.now()
  for i = 1, req.n do
    local key, name = req.keys[i], reply[i]
    if self.shared then
      if name == "ok" then self.shared:release(key) end
    elseif fresh[i] then
      if kept[i] then note(self, key, name, now + fresh[i]) end
    elseif name == "ok" then
      self.times:drop(key) -- the value never expires
    end
  end
end


--- Sets values, each with its time to live.
function Setting.set(self, req)
  local inner, n, kept = req:within(req.deadline), req.n, can_note(self, req)
  local fresh, ttls = new_table(n, 0), new_table(n, 0)
  for i = 1, n do
    fresh[i] = limited(self, req:ttl_of(i), self.seconds)
    ttls[i] = fresh[i] and fresh[i] + (kept[i] and self.keep or 0)
  end
  inner.ttls, inner.tickets, inner.undo = ttls, req.tickets, req.undo
  local reply = self.child:run(inner)
  if self.keep then note_all(self, req, reply, fresh, kept) end
  return reply
end


-- Notes the times of keys that were touched. After an error the old time may still
-- hold.
local function note_touched(self, req, reply, fresh, kept)
  local now = host.now()
  for i = 1, req.n do
    local key = req.keys[i]
    if reply[i] == "ok" and fresh[i] then
      if kept[i] then self.times:put(key, now + fresh[i]) end
    elseif status.class[reply[i]] ~= "error" then
      self.times:drop(key)
    end
  end
end


--- Sets a new time to live. Without one the value never expires, unless max or force
--- says otherwise.
function Setting.touch(self, req)
  if not (self.keep or self.max or self.force) then return self.child:run(req) end
  local inner, n, fresh, timed = req:within(req.deadline), req.n, {}, false
  for i = 1, n do
    fresh[i] = limited(self, req:ttl_of(i))
    timed = timed or fresh[i] ~= nil
  end
  local kept = timed and can_note(self, req) or {}
  if timed then inner.ttls = new_table(n, 0) end
  for i = 1, timed and n or 0 do
    inner.ttls[i] = fresh[i] and fresh[i] + (kept[i] and self.keep or 0)
  end
  local reply = self.child:run(inner)
  if self.times then note_touched(self, req, reply, fresh, kept) end
  return reply
end


return Setting
