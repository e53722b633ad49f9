-- policy/mirror/write.lua: a write of a mirror. It goes to every store at once, under
-- the locks of its keys, and the caller gets the reply as soon as enough copies are
-- good. From then on each store that has not confirmed counts as holding an old copy.
-- When there is no room to note that, the write waits for all stores and its worst
-- status counts.

local Detach = require "weir.policy.shared.detach"
local Guarded = require "weir.policy.shared.guarded"
local host = require "weir.host"
local Quorum = require "weir.policy.shared.quorum"
local Reply = require "weir.core.reply"
local status = require "weir.core.status"

local new_table = require "table.new"

local MirrorWrite = {}

local class, rank = status.class, status.rank


-- The k-th best of the answers to slot i that came, as { rank, store, status }. If that
-- is the miss of a delete, the answer of a store that did delete something counts. If
-- it is the miss of a touch, that of a store which has the value, or may have it.
local function verdict(round, i, k)
  local answers = {}
  for at, answer in pairs(round.answers) do
    answers[#answers + 1] = { rank[answer[i]], at, answer[i] }
  end
  table.sort(answers, function(a, b) return a[1] < b[1] end)
  local pick, last = answers[math.min(k, #answers)], answers[#answers]
  if pick[3] ~= "miss" then return pick end
  local unknown = round.req.op == "touch" and answers[1][3] == "miss"
  return unknown and class[last[3]] == "error" and last or answers[1]
end


-- Whether a store has done the write. One that did not admit the value has not.
local function took(answer, i)
  return class[answer[i]] ~= "error" and answer[i] ~= "rejected"
end


-- Whether enough copies are written. That a delete found nothing is known only when all
-- stores have said so.
local function decided(round)
  if round.left == 0 then return true end
  for i = 1, round.req.n do
    local written, there = 0, false
    for _, answer in pairs(round.answers) do
      if took(answer, i) then written = written + 1 end
      there = there or took(answer, i) and answer[i] ~= "miss"
    end
    if written < round.wanted or not there then return false end
  end
  return true
end


-- ---- which copies are old ----

local function confirmed(answer, i)
  return answer and class[answer[i]] ~= "error"
end


-- Whether any store has a newer value than the others may have. A touch that found
-- nothing changed nothing.
local function landed(round, i)
  local touch = round.req.op == "touch"
  for _, answer in pairs(round.answers) do
    if confirmed(answer, i) and not (touch and answer[i] == "miss") then return true end
  end
  return false
end


local function unmark(node, round)
  for at, slots in pairs(round.marks) do
    for i in pairs(slots) do node.suspects[at]:clear(round.req.keys[i]) end
  end
  round.marks = {}
end


-- Notes which stores have not confirmed. false: there is no room, and nothing is noted.
local function mark(node, round)
  local keys = round.req.keys
  for at, suspects in ipairs(node.suspects) do
    round.marks[at] = {}
    for i = 1, round.req.n do
      local old = not confirmed(round.answers[at], i) and landed(round, i)
      if old and not suspects:has(keys[i]) then
        if not suspects:add(keys[i]) then
          unmark(node, round)
          return false
        end
        round.marks[at][i] = true
      end
    end
  end
  return true
end


-- A store that took the write holds no old copy of the key, nor does one that did not
-- admit the value. A touch makes no copy newer: after it only the marks of this round
-- are removed.
local function confirm(node, round, at, answer)
  local touch, marks = round.req.op == "touch", round.marks[at] or {}
  local suspects = node.suspects[at]
  for i = 1, answer.n do
    if (not touch or marks[i]) and confirmed(answer, i) then
      suspects:clear(round.req.keys[i])
    end
    if answer[i] == "rejected" then suspects:note_lack() end
  end
end


-- ---- the round ----

-- Makes the reply. No other task reads between the marks and the waking of the caller.
local function conclude(node, round)
  if round.wanted < #node.children and not mark(node, round) then
    round.wanted = #node.children
    if round.left > 0 then return end
  end
  local reply, copies, n = Reply.new(round.req), {}, #node.children
  for i = 1, round.req.n do
    local pick = verdict(round, i, round.wanted)
    reply:adopt(i, round.answers[pick[2]], i)
    local written = 0
    copies[i] = 0
    for _, answer in pairs(round.answers) do
      if answer[i] == "ok" then copies[i] = copies[i] + 1 end
      if took(answer, i) then written = written + 1 end
    end
    Quorum.explain(reply, i, node.name, written, n, node.wanted)
  end
  reply.copies = copies
  round.reply = reply
  if round.waiter then host.wake(round.waiter) end
end


-- The request for a store: one that processes share sets with tickets.
local function request_for(node, store, req, tickets)
  if not tickets or req.op ~= "set" or store.guard ~= node.guard then return req end
  return req:with { tickets = tickets }
end


-- Of a touch: by store, the slots of which its copy may be old.
local function old_slots(node, req)
  if req.op ~= "touch" then return nil end
  local old = {}
  for at, suspects in ipairs(node.suspects) do old[at] = suspects:slots(req) end
  return old
end


local function write_to(node, at, req, old, tickets)
  if old then return node.suspects[at]:touch(req, old[at]) end
  local store = node.children[at]
  return store:run(request_for(node, store, req, tickets))
end


-- Runs the write on one store.
local function ask(node, at, req, old, tickets)
  local ok, answer = pcall(write_to, node, at, req, old, tickets)
  return ok and answer or Reply.uniform(req, "failed", tostring(answer))
end


local function write_one(node, round, at)
  local answer = ask(node, at, round.req, round.old, round.tickets)
  confirm(node, round, at, answer)
  round.answers[at] = answer
  round.left = round.left - 1
  if not round.reply and decided(round) then conclude(node, round) end
  if round.left == 0 and round.last then host.wake(round.last) end
end


-- The reply where every store has all of the write: nothing needs to be weighed.
local function agreed(node, req, answers)
  local reply, n = answers[1], #answers
  local copies = new_table(reply.n, 0)
  for i = 1, reply.n do copies[i] = n end
  reply.copies = copies
  for at = 2, n do answers[at]:give_back() end
  for at = 1, n do
    local suspects = node.suspects[at]
    if suspects:count() > 0 then
      for i = 1, reply.n do suspects:clear(req.keys[i]) end
    end
  end
  return reply
end


-- Writes to stores that do not wait, one after the other, without tasks.
local function in_turn(node, req, tickets)
  local answers, all, n = new_table(2, 0), req.op ~= "touch", #node.children
  local old = old_slots(node, req)
  for at = 1, n do
    answers[at] = ask(node, at, req, old, tickets)
    all = all and answers[at].good == req.n
  end
  if all then return agreed(node, req, answers) end
  local round = { req = req, wanted = node.wanted, answers = answers, marks = {},
    left = 0 }
  for at = 1, n do confirm(node, round, at, answers[at]) end
  conclude(node, round)
  return round.reply
end


local function in_turn_guarded(node, req)
  return Guarded.write(node, req, in_turn, in_turn)
end


local function everywhere(node, round)
  round.answers, round.marks, round.left = {}, {}, #node.children
  round.old = old_slots(node, round.req)
  for at = 1, #node.children do host.spawn(write_one, node, round, at) end
  if round.left > 0 then
    round.last = host.prepare()
    host.wait(round.last)
  end
  return round.reply
end


-- The same for processes that share a store. Of a request with tickets those keys are
-- written whose tickets are good: they are a round of their own.
local function everywhere_guarded(node, round)
  return Guarded.write(node, round.req, function(_, req, tickets)
    local own = req ~= round.req and { req = req, wanted = round.wanted } or round
    own.tickets = tickets
    return everywhere(node, own)
  end, function(_, req) everywhere(node, { req = req, wanted = round.wanted }) end)
end


-- The task of the write. It may outlive the caller. It holds the locks until all stores
-- have answered.
local function run(node, round)
  local write = node.guard and everywhere_guarded or everywhere
  local ok, reply = pcall(node.generations.write, node.generations, node, round.req,
    function() return write(node, round) end)
  if not ok then
    reply = Reply.uniform(round.req, "failed", tostring(reply), node.name)
  end
  if not round.reply then
    round.reply = reply
    if round.waiter then host.wake(round.waiter) end
  end
end


--- Runs a write of a mirror.
function MirrorWrite.run(node, req)
  if node.immediate then
    return node.generations:write(node, req, node.guard and in_turn_guarded or in_turn)
  end
  local round = { req = req, wanted = node.wanted }
  host.spawn(run, node, round)
  if not round.reply then
    round.waiter = host.prepare()
    host.wait(round.waiter, Detach.patience(not node.bounded and req.deadline))
  end
  if round.reply then return round.reply end
  local message = ("%s: fewer than %d of %d copies in time"):format(node.name,
    node.wanted, #node.children)
  return Reply.uniform(req, "timeout", message, node.name)
end


return MirrorWrite
