-- policy/ttl/given.lua: the options of ttl, and the defaults that depend on others.

local Arguments = require "weir.policy.shared.arguments"

local Given = {}

Given.OPTIONS = {
  { "seconds", at = 1, is = "seconds",
    help = "time to live of values that are set without one; default: max" },
  { "max", is = "seconds",
    help = "longest time to live; values that ask for a longer one, or none, get it" },
  { "force", is = "boolean", default = false,
    help = "whether all values live so long, whatever they are set or touched with" },
  { "jitter", is = "share", default = 0,
    help = "up to this share is taken off, key by key, so that keys expire apart" },
  { "stale", is = "seconds",
    help = "how long an expired value is still served, while it is refreshed" },
  { "stale_if_error", is = "seconds",
    help = "how long an expired value is served if what is below, or a loader, fails" },
  { "refresh", is = "callable", type = "fun(key: string): any",
    help = "fn(key) that returns the new value; runs in the background" },
  { "lease", is = "seconds",
    help = "time that a refresh has; default: a tenth of the time to live, 1 to 10 s" },
  { "pause", is = "seconds",
    help = "pause after a failed refresh; default: a tenth, 1 s or more" },
  { "keys", is = "count", default = 65536,
    help = "values whose times are remembered; further ones have no stale time" },
}

-- Bounds of the default lease, in seconds.
local SHORTEST, LONGEST = 1, 10


-- The time to live that most values have.
local function usual(given)
  return given.seconds or given.max or 0
end


--- How long a refresh may take before another one starts.
function Given.lease(given)
  if given.lease then return given.lease end
  local tenth = math.max(usual(given) / 10, SHORTEST)
  local lease = given.refresh and LONGEST or math.min(tenth, LONGEST)
  return math.min(lease, (given.stale or given.stale_if_error) / 2)
end


--- The pause after a refresh that failed.
function Given.pause(given)
  local keep = given.stale or given.stale_if_error
  return given.pause
    or math.max(usual(given) / 10, math.min(SHORTEST, keep / 2))
end


-- Raises an error if the times to live make no sense together.
local function check_times(given)
  local seconds, max = given.seconds, given.max
  if not seconds and not max then
    error("ttl: needs a time, such as 60 or \"1h\"", 0)
  end
  if given.force and (max or not seconds) then
    error("ttl: force gives all values the first time: leave out max", 0)
  end
  if seconds and max and seconds > max then
    error(("ttl: seconds = %g is longer than max = %g"):format(seconds, max), 0)
  end
end


--- The options of the arguments of the word.
function Given.read(...)
  local given = Arguments.read("ttl", Given.OPTIONS, ...)
  check_times(given)
  for _, name in ipairs { "refresh", "lease", "pause" } do
    if given[name] and not given.stale then
      error(("ttl: %s needs stale: how long an old value may be served"):format(name),
        0)
    end
  end
  if given.refresh and given.stale_if_error then
    error("ttl: with refresh old values are served for the time of stale, also while "
      .. "refreshes fail: leave out stale_if_error", 0)
  end
  return given
end


return Given
