-- policy/limit/service.lua: the time that a store usually takes, by op: a moving
-- geometric mean, which a few slow answers do not move much. Used by limit, to leave
-- out requests that cannot be answered before their deadline.

local host = require "weir.host"

local Service = {}
Service.__index = Service

local WEIGHT = 0.1  -- of a new time
local LONGER = 2    -- a request without a reply in time counts with this multiple
local PAUSE = 1     -- seconds after such a request in which no other one is a trial
local LEAST = 1e-6  -- seconds


function Service.new()
  return setmetatable({ logs = {}, next_trial = 0 }, Service)
end


--- Counts a request. late: it had no reply before its deadline.
function Service:add(op, seconds, late)
  local log = math.log(math.max(late and seconds * LONGER or seconds, LEAST))
  local before = self.logs[op]
  if late then
    self.next_trial = host.now() + PAUSE
    log = math.max(log, before or log)
  end
  self.logs[op] = before and before + WEIGHT * (log - before) or log
end


--- The seconds that an op usually takes, or nil.
function Service:expected(op)
  local log = self.logs[op]
  return log and math.exp(log)
end


--- Whether a request may go although it will probably be late: otherwise nobody would
--- learn that the store has become faster.
function Service:may_try()
  return host.now() >= self.next_trial
end


return Service
