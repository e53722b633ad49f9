-- replay/counts.lua: what the client of a replay sees: hits by level, leading hits,
-- tokens, bytes, latencies, all of them over time, too.

local Histogram = require "weir.replay.models.histogram"
local status = require "weir.core.status"

local Counts = {}
Counts.__index = Counts

-- Over time there are at most so many points; then two become one.
local MOST_POINTS = 240

local FIELDS = { "requests", "keys", "hits", "errors", "lead", "hit_bytes", "bytes",
  "tokens", "hit_tokens", "lead_tokens", "sets", "stored", "rejected", "set_bytes",
  "others", "unknown", "set_again" }


function Counts.new()
  local self = setmetatable({}, Counts)
  self:reset()
  return self
end


function Counts:reset()
  for _, name in ipairs(FIELDS) do self[name] = 0 end
  self.levels, self.latency, self.by_level = {}, Histogram.new(), {}
  self.points, self.width, self.pauses, self.before = {}, 1, 0, nil
end


local function merge(self)
  local points = {}
  for i = 1, #self.points, 2 do
    local a, b = self.points[i], self.points[i + 1]
    for name, value in pairs(b or {}) do
      if name ~= "levels" and name ~= "time" then a[name] = a[name] + value end
    end
    for level, hits in pairs(b and b.levels or {}) do
      a.levels[level] = (a.levels[level] or 0) + hits
    end
    points[#points + 1] = a
  end
  self.points, self.width = points, self.width * 2
end


-- What was counted since the last point, as one more point.
local function add_point(self)
  local before, levels = self.before, {}
  if self.keys == before.keys then return end
  for level, hits in pairs(self.levels) do
    levels[level] = hits - (before.levels[level] or 0)
  end
  self.points[#self.points + 1] = { time = before.time, keys = self.keys - before.keys,
    hits = self.hits - before.hits, lead = self.lead - before.lead, levels = levels }
  if #self.points == MOST_POINTS then merge(self) end
end


--- To be called now and then, between requests: a time at which a point may begin.
function Counts:pause(time)
  self.pauses = self.pauses + 1
  if self.before and self.pauses % self.width ~= 0 then return end
  if self.before then add_point(self) end
  local levels = {}
  for level, hits in pairs(self.levels) do levels[level] = hits end
  self.before = { time = time or self.requests, keys = self.keys, hits = self.hits,
    lead = self.lead, levels = levels }
end


--- Ends the last point.
function Counts:finish()
  if self.before then add_point(self) end
  self.before = nil
end


--- Counts an answered get.
function Counts:got(request, hits, errors, lead, hit_bytes, missed_bytes)
  local n, tokens = request.n, request.tokens
  self.requests, self.keys, self.hits = self.requests + 1, self.keys + n,
    self.hits + hits
  self.errors, self.lead = self.errors + errors, self.lead + lead
  self.hit_bytes = self.hit_bytes + hit_bytes
  self.bytes = self.bytes + hit_bytes + missed_bytes
  if tokens then
    self.tokens = self.tokens + n * tokens
    self.hit_tokens = self.hit_tokens + hits * tokens
    self.lead_tokens = self.lead_tokens + lead * tokens
  end
end


--- Counts an answered set.
function Counts:set(req, reply)
  local n = req.n
  self.sets = self.sets + n
  local good = reply.good or reply:count "good"
  self.stored = self.stored + good
  if good == n then
    self.set_bytes = self.set_bytes + req:bytes()
    return
  end
  for i = 1, n do
    if status.class[reply[i]] == "good" then
      self.set_bytes = self.set_bytes + #req.values[i]
    elseif reply[i] == "rejected" then
      self.rejected = self.rejected + 1
    end
  end
end


function Counts:other(req)
  self.others = self.others + req.n
end


--- How long a get took; the level is the lowest that answered one of its keys, 0 when
--- a key was found nowhere.
function Counts:took(reply, seconds)
  self.latency:add(seconds)
  local level = 1
  for i = 1, reply.n do
    if status.class[reply[i]] ~= "good" then
      level = 0
      break
    end
    level = math.max(level, reply.levels and reply.levels[i] or 1)
  end
  local histogram = self.by_level[level]
  if not histogram then
    histogram = Histogram.new()
    self.by_level[level] = histogram
  end
  histogram:add(seconds)
end


return Counts
