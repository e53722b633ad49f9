-- policy/hedge/percentile.lua: the word p(n), a time that is measured: n of 100 recent
-- requests took no longer. Recent holds the times, in the runtime's histogram. Used by
-- hedge.

local ffi = require "ffi"
local Arguments = require "weir.policy.shared.arguments"
local Blame = require "weir.core.blame"
local Quantity = require "weir.core.quantity"
local C = require("weir.ffi").C

local Percentile = {}

local HISTOGRAM = tonumber(C.WEIR_HISTOGRAM)
local Buckets = ffi.typeof("double[$]", HISTOGRAM)
local bucket_of, floor_of = C.weir_histogram_bucket, C.weir_histogram_floor


-- ---- the word ----

local function below_100(x, what)
  if type(x) == "number" and x > 0 and x < 100 then return x end
  error(("%s is a number over 0 and below 100, not %s"):format(what,
    Arguments.show(x)), 0)
end


--- What the word means, how it is written, and its argument.
Percentile.ABOUT = {
  p = { HELP = "The time within which n of 100 recent requests had their answer.",
    EXAMPLE = "delay = p(95)", OPTIONS = { { "n", at = 1, is = below_100,
      type = "number", required = "an argument such as 95",
      help = "how many of 100 requests" } } },
}


-- A plain table: a reload compares it by its contents.
local function make(n)
  local given = Arguments.read("p", Percentile.ABOUT.p.OPTIONS, n)
  return { name = ("p(%g)"):format(given.n), percentile = given.n }
end


Percentile.words = {
  p = function(n)
    local ok, result = pcall(make, n)
    if not ok then error(Blame.placed(result, "p"), 0) end
    return result
  end,
}


--- Reads an option that is a time or p(n). Returns seconds or what p returned.
function Percentile.or_time(x, what)
  if type(x) == "table" and x.percentile then return x end
  local seconds = type(x) == "string" and Quantity.seconds(x) or x
  if type(seconds) == "number" and seconds > 0 and seconds < math.huge then
    return seconds
  end
  error(("%s is a time over 0 (seconds, or \"50ms\"), or a percentile such as p(95), "
    .. "not %s%s"):format(what, Arguments.show(x),
    Quantity.excess(x, Quantity.seconds)), 0)
end


-- ---- times ----

local LEAST = 32    -- times needed before a percentile is told
local FRESH = 32    -- further times after which it is computed again
local MOST = 2048   -- the counts are halved at this many, so that old times fade

local Recent = {}
Recent.__index = Recent
Percentile.Recent = Recent


function Recent.new()
  return setmetatable({ buckets = Buckets(), count = 0, since = 0 }, Recent)
end


local function halve(self)
  for i = 0, HISTOGRAM - 1 do self.buckets[i] = self.buckets[i] / 2 end
  self.count = self.count / 2
end


--- Counts the time of a request.
function Recent:add(seconds)
  local bucket = bucket_of(seconds > 0 and seconds * 1e9 or 0)
  self.buckets[bucket] = self.buckets[bucket] + 1
  self.count, self.since = self.count + 1, self.since + 1
  if self.count >= MOST then halve(self) end
end


-- The end of the bucket that holds the percentile, in seconds.
local function find(self, percentile)
  local left = self.count * percentile / 100
  for i = 0, HISTOGRAM - 2 do
    left = left - self.buckets[i]
    if left <= 0 then return tonumber(floor_of(i + 1)) * 1e-9 end
  end
  return math.huge
end


--- The percentile in seconds; nil while there are too few times.
function Recent:at(percentile)
  if self.count < LEAST then return nil end
  if not self.known or self.since >= FRESH then
    self.known, self.since = find(self, percentile), 0
  end
  return self.known
end


return Percentile
