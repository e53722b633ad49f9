-- origin(fn): a store made of a function, the last tier of a tree that ends in a
-- database, an HTTP call or a computation. fn(keys, request) gets the keys that the
-- stores above do not have, all those of a request at once, and returns their values:
--
--     origin(function(keys, req)
--       local rows = db:select(keys)     -- { [key] = value }
--       return rows                      -- a key without a value is a miss
--     end)
--
-- shared/loaded.lua says how it reports errors. They are `failed`, each in its own
-- slot. fn may wait, as all code in tasks may. If the request has a deadline, fn runs
-- in a task of its own. It should end by req.deadline: later its results are dropped.
--
-- An origin is read only: set, touch and delete are `unsupported`. A purge finds
-- nothing to delete there. stat is `unsupported`, since it would load the value. exists
-- loads it.

local Arguments = require "weir.policy.shared.arguments"
local host = require "weir.host"
local Lent = require "weir.policy.shared.lent"
local Loaded = require "weir.policy.shared.loaded"
local Node = require "weir.policy.shared.node"
local Reply = require "weir.core.reply"

local new_table = require "table.new"

local Origin = Node.word "origin"

Origin.HELP = "A store made of a function that loads values: the last tier of a tree."
Origin.EXAMPLE = "origin(function(keys, req) return { [keys[1]] = \"value\" } end)"
Origin.OPTIONS = {
  { "fn", at = 1, is = "callable", required = "a function (keys, request)",
    type = "fun(keys: string[], req: weir.Request): table<string, any>?, any",
    help = "returns the values by key; a key without a value is a miss" },
}


function Origin.new(...)
  local given = Arguments.read("origin", Origin.OPTIONS, ...)
  return Origin:node { fn = given.fn, immediate = false, bounded = true, late = 0 }
end


local function load(self, req)
  local keys = new_table(req.n, 0)
  for i = 1, req.n do keys[i] = req.keys[i] end
  local values, errors = Loaded.call("origin", self.fn, keys, req)
  local reply = Reply.new(req)
  for i = 1, req.n do
    if errors[i] then
      reply:set(i, "failed", { message = errors[i], store = self.name })
    elseif not values[i] then
      reply:set(i, "miss")
    elseif req.op == "get" then
      reply:set(i, "ok", { value = values[i] })
    else
      reply:set(i, "ok", { size = #values[i] })
    end
  end
  return reply
end


local function run(self, req, call)
  local ok, reply = pcall(load, self, req)
  if ok then call.reply = reply else call.failure = reply end
  if call.waiter then host.wake(call.waiter) end
end


-- Loads in a task of its own, until the deadline.
local function load_by(self, req)
  local call = {}
  host.spawn(run, self, req, call)
  if not call.reply and not call.failure then
    call.waiter = host.prepare()
    host.wait(call.waiter, math.max(req.deadline - host.now(), 0))
    call.waiter = nil
  end
  if call.failure then error(call.failure, 0) end
  if call.reply then return call.reply end
  self.late = self.late + 1
  return Reply.uniform(req, "timeout", "origin: the function did not return in time",
    self.name)
end


local function degraded(req)
  local reply = Reply.new(req)
  for i = 1, req.n do reply:set(i, "miss", { degraded = true }) end
  return reply
end


local READS = { get = true, exists = true }

function Origin:answer(req)
  -- What a function would return is not known: a miss that no word remembers.
  if req.peek then return degraded(req) end
  if req.purge then return Reply.uniform(req, "miss") end
  if not READS[req.op] then
    return Reply.uniform(req, "unsupported", ("origin: a function has no %s"):format(
      req.op), self.name)
  end
  local private = Lent.private(req)
  local reply = req.deadline and load_by(self, private) or load(self, private)
  return Lent.land(req, reply)
end


-- What tally returns.
Origin.STATS = {
  { "late", is = "counter", help = "calls that had not returned at the deadline" },
}

function Origin:tally()
  return { late = self.late }
end


function Origin:plan(op)
  if READS[op] then return "calls its function", {} end
  return "does not support " .. op, {}
end


return Origin
