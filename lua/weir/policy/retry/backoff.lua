-- policy/retry/backoff.lua: the pause between attempts. It grows exponentially and has
-- a jitter (AWS, "Exponential Backoff and Jitter"). Used by retry.

local host = require "weir.host"

local JITTER = {
  none = function(_, wait) return wait end,
  full = function(_, wait) return host.random() * wait end,
  equal = function(_, wait) return wait / 2 + host.random() * wait / 2 end,
  decorrelated = function(options, _, before)
    local base = options.base
    return math.min(options.cap, base + host.random() * math.max(before * 3 - base, 0))
  end,
}


--- The wait before attempt number `attempt`, after one of `before` seconds.
--- options: base, cap, jitter.
return function(options, attempt, before)
  local wait = math.min(options.cap, options.base * 2 ^ (attempt - 1))
  return JITTER[options.jitter](options, wait, before)
end
