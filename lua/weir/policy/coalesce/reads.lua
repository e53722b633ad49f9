-- policy/coalesce/reads.lua: the shared reads of a coalesce, whose node is `self`. A
-- read is one request of its leader, in a task of its own. Once others may join it,
-- read.slot has the slot of each key, and read.joined[j] lists the callers that wait
-- for slot j, as { caller, slot }. self.reads has the read of each key, self.n_reads
-- counts the keys.

local Detach = require "weir.policy.shared.detach"
local host = require "weir.host"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"

local Reads = {}


-- Sets the time until which other callers may join: while a reply can still come.
local function set_end(self, read, deadline)
  local wait = Detach.patience(deadline) or math.huge
  read.joinable_until = host.now() + math.min(wait, self.longest)
end


--- Lets other callers join the read. It is called when the read has to wait.
function Reads.register(self, read)
  set_end(self, read, read.req.deadline)
  read.slot, read.joined = {}, {}
  for i = 1, read.req.n do
    local key = read.req.keys[i]
    self.reads[key], read.slot[key] = read, i
  end
  self.n_reads = self.n_reads + read.req.n
  read.registered = true
end


--- Ends the read of a key for later callers.
function Reads.close(self, key, read)
  local current = self.reads[key]
  if current and (not read or current == read) then
    self.reads[key] = nil
    self.n_reads = self.n_reads - 1
  end
end


-- Does so if the time to join it is over, or a process has written the key since.
function Reads.expire(self, key)
  local read = self.reads[key]
  if read and (read.joinable_until <= host.now() or self.guard
    and not self.guard:good(key, read.tickets[read.slot[key]])) then
    Reads.close(self, key, read)
  end
end


--- The read of a key that may be joined, or nil.
function Reads.of(self, key)
  Reads.expire(self, key)
  return self.reads[key]
end


-- Copies the reply of slot j to a caller that waits for it, and wakes the caller when
-- it was the last.
local function answer_one(place, reply, j)
  local caller = place.caller
  if caller.gone then return end
  caller.reply:adopt(place.slot, reply, j)
  caller.left = caller.left - 1
  if caller.left == 0 then host.wake(caller.waiter) end
end


local function answer_all(joined, reply, j)
  for _, place in ipairs(joined) do answer_one(place, reply, j) end
end


local function still_waiting(joined)
  local list
  for _, place in ipairs(joined or {}) do
    if not place.caller.gone then
      list = list or {}
      list[#list + 1] = place
    end
  end
  return list
end


-- Whether a reply is for the leader alone: an error, or the miss that tells a caller to
-- refresh a stale value.
local function is_leaders_alone(reply, j)
  return status.class[reply[j]] == "error"
    or reply[j] == "miss" and reply.stale and reply.stale[j]
end


-- Answers the callers of all slots whose reply may be shared and ends the reads of
-- these slots. Returns the slots that callers still wait for: they get one more
-- attempt.
local function settle(self, read, reply)
  local unanswered = {}
  for j = 1, reply.n do
    local joined = read.joined[j]
    local waiting = is_leaders_alone(reply, j) and still_waiting(joined)
    if waiting then
      read.joined[j] = waiting
      unanswered[#unanswered + 1] = j
    else
      Reads.close(self, read.req.keys[j], read)
      if joined then answer_all(joined, reply, j) end
    end
  end
  return unanswered
end


local function run_child(self, req)
  local ok, reply = pcall(self.child.run, self.child, req)
  if ok then return reply end
  return Reply.uniform(req, "failed", tostring(reply), self.name), reply
end


-- The latest deadline of the callers that wait; nil: one of them has none.
local function latest_deadline(read, slots)
  local deadline = 0
  for _, j in ipairs(slots) do
    for _, place in ipairs(read.joined[j]) do
      deadline = math.max(deadline, place.caller.deadline or math.huge)
    end
  end
  return deadline < math.huge and deadline or nil
end


-- Makes the second and last attempt, for the callers that still wait.
local function elect(self, read, slots)
  local req = read.req:subset(slots)
  req.deadline, req.trace = latest_deadline(read, slots), nil
  set_end(self, read, req.deadline)
  self.counts.elected = self.counts.elected + 1
  local reply = run_child(self, req)
  for at, j in ipairs(slots) do
    Reads.close(self, read.req.keys[j], read)
    answer_all(read.joined[j], reply, at)
  end
end


--- The task of the leader.
function Reads.run(self, read)
  local reply, failure = run_child(self, read.req)
  local unanswered = read.registered and settle(self, read, reply)
  read.reply, read.failure = reply, failure
  if read.waiter then host.wake(read.waiter) end
  if unanswered and #unanswered > 0 then elect(self, read, unanswered) end
end


return Reads
