-- shadow { to, share = 0.1, compare = true }: shows a share of the traffic to another
-- store, to try it under real load, as mcrouter's ShadowRoute. The replies are always
-- the first store's. The other one is asked afterwards, in a task of its own: it never
-- delays, changes or fails a reply.
--
-- The hash of a key decides whether it is shown, so the gets of a key follow its sets.
-- compare holds the answers of gets side by side and counts the differences. Requests
-- overtake each other on the way, so a key that is written all the time may differ
-- although nothing is wrong. At most `inflight` requests and `bytes` of their values
-- wait for the other store; what comes then is dropped and counted.

local Arguments = require "weir.policy.shared.arguments"
local Chance = require "weir.policy.shared.chance"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Value = require "weir.core.value"
local host = require "weir.host"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local Shadow = Node.word "shadow"

Shadow.HELP = "Shows a share of the traffic to another store as well. The replies are "
  .. "the first store's."
Shadow.EXAMPLE = "far:shadow { a, share = 0.1, compare = true }"
Shadow.OPTIONS = {
  { "to", at = 1, is = "any", type = "weir.Store", required = "the store to try",
    help = "the store that sees the traffic as well" },
  { "share", is = "share", default = 1, help = "share of the keys that are shown" },
  { "seed", is = "whole", default = 1, help = "another seed chooses other keys" },
  { "compare", is = "boolean", default = false,
    help = "whether the answers of gets are compared" },
  { "timeout", is = "seconds", default = 1,
    help = "how long the other store may take for a request" },
  { "inflight", is = "count", default = 64,
    help = "requests that may wait for the other store; more are dropped" },
  { "bytes", is = "size", default = 64 * 2 ^ 20,
    help = "bytes of values that may be held meanwhile; more are dropped" },
}


function Shadow.new(child, first, more)
  -- A store is a table, too: `shadow(a, b)` means `shadow(a, { b })`.
  if type(first) == "table" and type(first.run) == "function" then first = { first } end
  local given = Arguments.read("shadow", Shadow.OPTIONS, first, more)
  local to = Arguments.store("shadow", "to", given.to)
  return Shadow:node {
    children = { child, to = to }, child = child, to = to, share = given.share,
    seed = given.seed, compare = given.compare, seconds = given.timeout,
    most = given.inflight, most_bytes = given.bytes, running = 0, held = 0,
    immediate = child.immediate, bounded = child.bounded,
    counts = { shown = 0, dropped = 0, failures = 0 },
    results = { same = 0, different = 0, missing = 0, extra = 0, errors = 0 },
  }
end


-- The slots whose keys are shown.
local function chosen(self, req)
  if self.share == 1 then return Lent.all(req.n) end
  local slots = {}
  for i = 1, req.n do
    if Chance.of(req.keys[i], self.seed) < self.share then slots[#slots + 1] = i end
  end
  return slots
end


-- ---- what a request needs after its caller has gone ----

-- Values that the caller cannot close, and their bytes.
local function keep_values(req)
  local values, sum = {}, 0
  for i, value in ipairs(req.values) do
    values[i] = type(value) == "string" and value or Value.own(Value.pointer(value))
    sum = sum + #values[i]
  end
  return values, sum
end


-- What the first store answered to each slot: its status, and its value if it is to be
-- compared.
local function keep_answers(self, req, reply, slots)
  local answers, sum = {}, 0
  for j, i in ipairs(slots) do
    local value = self.compare and reply[i] == "ok" and Lent.keep(req, reply, i)
    answers[j] = { status = reply[i], value = value or nil }
    sum = sum + (value and #value or 0)
  end
  return answers, sum
end


local function prepare(self, req, reply, slots)
  local shown = Lent.private(req:subset(slots))
  shown.trace, shown.limit = nil, nil
  local bytes, answers = 0, nil
  if shown.values then
    shown.values, bytes = keep_values(shown)
  elseif req.op == "get" then
    answers, bytes = keep_answers(self, req, reply, slots)
  end
  return shown, answers, bytes
end


-- ---- the other store ----

local function same_bytes(value, pointer)
  return value.size == pointer.size
    and C.weir_memcmp(value.data, pointer.data, value.size) == 0
end


local function result_of(answer, reply, i)
  local mine, other = answer.status, reply[i]
  if status.class[mine] == "error" or status.class[other] == "error" then
    return "errors"
  end
  if mine ~= other then return mine == "ok" and "missing" or "extra" end
  if mine == "ok" and not same_bytes(answer.value, reply:pointer(i)) then
    return "different"
  end
  return "same"
end


local function play(self, shown, answers)
  host.sleep(0) -- the caller gets its reply first
  shown.deadline = host.now() + self.seconds
  local reply = self.to:run(shown)
  self.counts.shown = self.counts.shown + shown.n
  if not (answers and self.compare) then return end
  for i = 1, shown.n do
    local result = result_of(answers[i], reply, i)
    self.results[result] = self.results[result] + 1
  end
end


local function carry_out(self, shown, answers, bytes)
  local ok, err = pcall(play, self, shown, answers)
  self.running, self.held = self.running - 1, self.held - bytes
  if not ok then
    self.counts.failures = self.counts.failures + 1
    self.last_failure = tostring(err)
  end
end


function Shadow:answer(req)
  local reply = self.child:run(req)
  local slots = Op.prefix[req.op] and {} or chosen(self, req)
  if #slots == 0 then return reply end
  local room = self.running < self.most and self.held < self.most_bytes
  if not room then
    self.counts.dropped = self.counts.dropped + #slots
    return reply
  end
  local shown, answers, bytes = prepare(self, req, reply, slots)
  self.running, self.held = self.running + 1, self.held + bytes
  host.spawn(carry_out, self, shown, answers, bytes)
  return reply
end


-- What tally returns.
Shadow.STATS = {
  { "shown", is = "counter", help = "keys that the other store answered" },
  { "dropped", is = "counter",
    help = "keys not shown: inflight or bytes was reached" },
  { "results", is = "counter", by = "result",
    help = "gets compared: same, different bytes, missing or extra there, errors" },
  { "waiting", is = "gauge", help = "requests that the other store has not answered" },
  { "failures", is = "counter", help = "errors raised on the way to the other store" },
  { "last_failure", is = "text", help = "the last of them" },
}

function Shadow:tally()
  return { shown = self.counts.shown, dropped = self.counts.dropped,
    results = self.results, waiting = self.running, failures = self.counts.failures,
    last_failure = self.last_failure }
end


function Shadow:plan(_, key)
  if Chance.of(key, self.seed) >= self.share then
    return "the key is not shown to the other store", { self.child }
  end
  return "shown to the other store afterwards", { self.child, self.to }
end


return Shadow
