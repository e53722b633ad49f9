-- ttl(t, { jitter=, stale=, refresh= }): values that are set without a time to live
-- get t seconds; jitter takes up to that share off, key by key, so that what was
-- stored together does not expire together.
--
-- stale (seconds): a value past its time is kept that much longer and served, marked
-- stale, while one refresh runs. The refresh is the first caller, who is told miss
-- (marked stale, too: it is no absence) and will store the value anew; with
-- refresh = fn(key) -> value it is a background task, and nobody is told miss.
-- (memcached's meta commands: win, stale.) Times are known for what was set through
-- here; other values are fresh as long as they live.

local Arguments = require "weir.parts.arguments"
local Expiring = require "weir.parts.expiring"
local host = require "weir.host"
local Policy = require "weir.policy"
local status = require "weir.status"

local new_table = require "table.new"

local Ttl = Policy.word "ttl"

local OPTIONS = {
  { "seconds", at = 1, is = "seconds", required = "a time, such as 60 or \"1h\"" },
  { "jitter", is = "share", default = 0 },
  { "stale", is = "seconds" },
  { "refresh", is = "callable" },
}

-- Keys whose times are remembered, for stale.
local MOST = 65536


function Ttl.new(child, ...)
  local given = Arguments.read("ttl", OPTIONS, ...)
  if given.refresh and not given.stale then
    error("ttl: refresh needs stale: how long an old value may be served", 0)
  end
  return Ttl:node {
    children = { child }, child = child, seconds = given.seconds,
    jitter = given.jitter, keep = given.stale, refresh = given.refresh,
    fresh_until = given.stale and Expiring.new(MOST),
    leases = given.stale and Expiring.new(MOST),
    counts = { stale = 0, refreshes = 0 },
  }
end


local function time_of(self, req, i)
  local own = req:ttl_of(i)
  if own then return own end
  return self.seconds * (1 - self.jitter * host.random())
end


local function set(self, req)
  local inner, keep, n = req:within(req.deadline), self.keep or 0, req.n
  local fresh, ttls = new_table(n, 0), new_table(n, 0)
  for i = 1, n do
    fresh[i] = time_of(self, req, i)
    ttls[i] = fresh[i] + keep
  end
  inner.ttls = ttls
  local reply = self.child:run(inner)
  if not self.keep then return reply end
  local now = host.now()
  for i = 1, n do
    if reply[i] == "ok" then
      self.fresh_until:put(req.keys[i], now + fresh[i])
      self.leases:drop(req.keys[i])
    end
  end
  return reply
end


local function refresh(self, key)
  local ok, value = pcall(self.refresh, key)
  if ok and value ~= nil then
    self:set(key, value)
  else
    self.leases:drop(key)
  end
end


-- A value past its time: served, unless this caller is the one to refresh it.
local function past(self, reply, i, key, now)
  local lease = self.leases:get(key)
  local mine = not lease or lease <= now
  if mine then
    self.leases:put(key, now + self.keep)
    self.counts.refreshes = self.counts.refreshes + 1
    if self.refresh then host.spawn(refresh, self, key) end
  end
  if mine and not self.refresh then
    reply:drop(i)
    reply:set(i, "miss", { stale = true })
  else
    self.counts.stale = self.counts.stale + 1
    reply:set(i, reply[i], { stale = true })
  end
end


local function get(self, req)
  local reply = self.child:run(req)
  if not self.keep or self.fresh_until.count == 0 then return reply end
  local now = host.now()
  for i = 1, req.n do
    local by = reply[i] == "ok" and self.fresh_until:get(req.keys[i])
    if by and by <= now then past(self, reply, i, req.keys[i], now) end
  end
  return reply
end


-- An explicit new time; without one the value never expires, as asked. An error may
-- have left the old time in force.
local function touch(self, req)
  if not self.keep then return self.child:run(req) end
  local inner = req:within(req.deadline)
  if req.ttl then inner.ttl = req.ttl + self.keep end
  local reply = self.child:run(inner)
  local now = host.now()
  for i = 1, req.n do
    if reply[i] == "ok" and req.ttl then
      self.fresh_until:put(req.keys[i], now + req.ttl)
    elseif status.class[reply[i]] ~= "error" then
      self.fresh_until:drop(req.keys[i])
    end
  end
  return reply
end


local function delete(self, req)
  local reply = self.child:run(req)
  for i = 1, self.keep and req.n or 0 do
    if status.class[reply[i]] ~= "error" then
      self.fresh_until:drop(req.keys[i])
      self.leases:drop(req.keys[i])
    end
  end
  return reply
end


local OPS = { set = set, get = get, touch = touch, delete = delete }

function Ttl:answer(req)
  local op = OPS[req.op]
  if op then return op(self, req) end
  return self.child:run(req)
end


function Ttl:forget()
  if not self.keep then return end
  self.fresh_until, self.leases = Expiring.new(MOST), Expiring.new(MOST)
end


function Ttl:remember(old)
  if self.keep and old.keep then
    self.fresh_until, self.leases = old.fresh_until, old.leases
  end
end


function Ttl:tally()
  return { stale = self.counts.stale, refreshes = self.counts.refreshes }
end


function Ttl:plan(op)
  if op == "set" then return ("to live %g s"):format(self.seconds), { self.child } end
  return "passes", { self.child }
end


return Ttl
