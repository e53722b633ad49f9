-- policy/ttl/given.lua: the options of ttl, and the defaults that depend on others.

local Arguments = require "weir.policy.shared.arguments"

local Given = {}

Given.OPTIONS = {
  { "seconds", at = 1, is = "seconds", required = "a time, such as 60 or \"1h\"",
    help = "time to live of values that are set without one" },
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


--- How long a refresh may take before another one starts.
function Given.lease(given)
  if given.lease then return given.lease end
  local tenth = math.max((given.seconds or 0) / 10, SHORTEST)
  local lease = given.refresh and LONGEST or math.min(tenth, LONGEST)
  return math.min(lease, (given.stale or given.stale_if_error) / 2)
end


--- The pause after a refresh that failed.
function Given.pause(given)
  local keep = given.stale or given.stale_if_error
  return given.pause
    or math.max((given.seconds or 0) / 10, math.min(SHORTEST, keep / 2))
end


--- The options of the arguments of the word.
function Given.read(...)
  local given = Arguments.read("ttl", Given.OPTIONS, ...)
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
