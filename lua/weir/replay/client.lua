-- replay/client.lua: what the client of a replay does with one request of the trace,
-- and what it counts of the answer.
--
-- A get that misses is computed and set (get-or-set), or requests are done as they are
-- recorded. Where the trace says that a get hit and it does not here, the application
-- would have computed and set it: that is done, too.
--
-- An engine has the fields: store, counts, phase, in_turn, recorded, prefix, size.

local Request = require "weir.core.request"
local status = require "weir.core.status"
local unique = require "weir.core.unique"
local Values = require "weir.replay.models.values"

local class = status.class

local Client = {}


local function size_of(self, request, i)
  local sizes = request.sizes
  return sizes and sizes[i] or request.size or self.size
end


-- What a get answered: hits by level, the leading ones, bytes.
local function count_get(self, request, req, reply)
  local counts, positions, levels = self.counts, req.positions, reply.levels
  local n, hits, errors, lead, bytes, missed = request.n, 0, 0, 0, 0, 0
  local by_level, sizes, size = counts.levels, request.sizes, request.size or self.size
  for i = 1, n do
    local j = positions and positions[i] or i
    local name = reply[j]
    local bytes_i = size
    if sizes then bytes_i = sizes[i] or 0 end
    if name == "ok" or class[name] == "good" then
      local level = levels and levels[j] or 1
      by_level[level] = (by_level[level] or 0) + 1
      if hits == i - 1 then lead = i end
      if sizes and not sizes[i] then
        bytes_i = reply:size(j) or 0
        counts.set_again = counts.set_again + bytes_i
      end
      hits, bytes = hits + 1, bytes + bytes_i
    else
      missed = missed + bytes_i
      if name ~= "miss" then errors = errors + 1 end
      if sizes and not sizes[i] then counts.unknown = counts.unknown + 1 end
    end
  end
  counts:got(request, hits, errors, lead, bytes, missed)
  return hits
end


-- Whether what a get did not find would be computed and set.
local function is_computed(self, request, i)
  if not self.recorded then return true end
  return request.statuses ~= nil and request.statuses[i] == "ok"
end


-- Whether the store keeps no requests and no replies, so that they are lent.
local function lends(self)
  return self.in_turn and self.store.reuses
end


-- A request for several keys, with an empty list for them.
local function several(self, op)
  if lends(self) then return Request.lend_batch(op) end
  return setmetatable({ op = op, keys = {} }, Request)
end


-- Sets what a get did not find, each key once.
local function set_missing(self, request, req, reply)
  local set, n, sum = several(self, "set"), 0, 0
  local keys, values = set.keys, set.own_values or {}
  local positions = req.positions
  local first = nil
  if positions then
    first = {}
    for i = request.n, 1, -1 do first[positions[i]] = i end
  end
  for j = 1, reply.n do
    local i = first and first[j] or j
    if class[reply[j]] ~= "good" and is_computed(self, request, i) then
      local size = size_of(self, request, i)
      n, sum = n + 1, sum + size
      keys[n], values[n] = req.keys[j], Values.of(size)
    end
  end
  set.n, set.values, set.sum, set.ttl = n, values, sum, request.ttl
  if n > 0 then
    local stored = self.store:run(set)
    self.counts:set(set, stored)
    stored:give_back()
  end
  set:give_back()
end


-- A request for one key: a lent one, where the store keeps no request.
local function one(self, op, key)
  if lends(self) and not self.prefix then
    return Request.lend(op, key)
  end
  local req = Request.one(op, key, nil, 1)
  if self.prefix and op == "get" then req.prefix = true end
  return req
end


local function do_get_many(self, request)
  local req = several(self, "get")
  local _, n, positions = unique(request.keys, request.n, req.keys)
  req.n, req.positions, req.prefix = n, positions, self.prefix and true or nil
  local phase = self.phase
  phase.filling = true
  local reply = self.store:run(req)
  phase.filling = false
  local hits = count_get(self, request, req, reply)
  if hits < request.n and (not self.recorded or request.statuses) then
    set_missing(self, request, req, reply)
  end
  if not self.in_turn then return reply end
  reply:give_back()
  req:give_back()
end


-- Stores the one key of a get that missed.
local function set_one(self, key, size, ttl)
  local set = one(self, "set", key)
  set:with_value(Values.of(size), 1)
  set.ttl = ttl
  local reply = self.store:run(set)
  self.counts:set(set, reply)
  reply:give_back()
  set:give_back()
end


-- The same for a request of one key, without a loop: many traces have no others.
local function do_get_one(self, request)
  local key, size = request.keys[1], request.size or self.size
  local phase, counts = self.phase, self.counts
  local req = one(self, "get", key)
  phase.filling = true
  local reply = self.store:run(req)
  phase.filling = false
  local name = reply[1]
  if class[name] == "good" then
    local level = reply.levels and reply.levels[1] or 1
    counts.levels[level] = (counts.levels[level] or 0) + 1
    counts:got(request, 1, 0, 1, size, 0)
  else
    counts:got(request, 0, name == "miss" and 0 or 1, 0, 0, size)
    if not self.recorded then set_one(self, key, size, request.ttl) end
  end
  if not self.in_turn then return reply end
  reply:give_back()
  req:give_back()
end


local function do_set(self, request)
  local req = Request.new("set", request.keys)
  local values, ttls = {}, request.ttls and {} or nil
  for i = 1, request.n do values[i] = Values.of(size_of(self, request, i)) end
  req:with_values(values, request.n, 1)
  for i = 1, ttls and request.n or 0 do
    ttls[req.positions and req.positions[i] or i] = request.ttls[i] or nil
  end
  req.ttl, req.ttls = request.ttl, ttls
  self.counts:set(req, self.store:run(req))
end


local function do_other(self, request)
  local req = Request.new(request.op, request.keys)
  req.ttl = request.ttl
  self.counts:other(req, self.store:run(req))
end


local function do_get(self, request)
  if request.n == 1 and not request.sizes then return do_get_one(self, request) end
  return do_get_many(self, request)
end


local DO = { get = do_get, set = do_set }


--- Does a request. Returns the reply of a get, unless the engine is in_turn.
function Client.run(engine, request)
  return (DO[request.op] or do_other)(engine, request)
end


return Client
