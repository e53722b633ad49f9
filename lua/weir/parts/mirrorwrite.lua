-- parts/mirrorwrite.lua: a write of a mirror: every store at once under the locks of
-- its keys, the caller told as soon as enough copies are good. Until a store has
-- confirmed, it counts as holding an old copy; when that cannot be noted the write
-- waits for all stores and its worst status counts.

local host = require "weir.host"
local Policy = require "weir.policy"
local Reply = require "weir.reply"
local status = require "weir.status"

local MirrorWrite = {}

local class, rank = status.class, status.rank


-- The k-th best answer to slot i of those that came, as { rank, store, status }. Of
-- a delete that found nothing there, the one that did find something.
local function verdict(round, i, k)
  local answers = {}
  for at, answer in pairs(round.answers) do
    answers[#answers + 1] = { rank[answer[i]], at, answer[i] }
  end
  table.sort(answers, function(a, b) return a[1] < b[1] end)
  local pick = answers[math.min(k, #answers)]
  return pick[3] == "miss" and answers[1] or pick
end


-- Whether enough copies are written; that there was nothing to delete is known only
-- when all have said so.
local function decided(round)
  if round.left == 0 then return true end
  for i = 1, round.req.n do
    local written, there = 0, false
    for _, answer in pairs(round.answers) do
      if class[answer[i]] ~= "error" then written = written + 1 end
      there = there or class[answer[i]] ~= "error" and answer[i] ~= "miss"
    end
    if written < round.wanted or not there then return false end
  end
  return true
end


-- The reply, once decided.
local function conclude(round)
  local reply, copies = Reply.new(round.req), {}
  for i = 1, round.req.n do
    local pick = verdict(round, i, round.wanted)
    reply:adopt(i, round.answers[pick[2]], i)
    copies[i] = 0
    for _, answer in pairs(round.answers) do
      if answer[i] == "ok" then copies[i] = copies[i] + 1 end
    end
  end
  reply.copies = copies
  round.reply = reply
  if round.waiter then host.wake(round.waiter) end
end


local function confirm(node, round, at, answer)
  for i = 1, answer.n do
    if class[answer[i]] ~= "error" then node.suspects[at]:clear(round.req.keys[i]) end
  end
end


local function ask(node, round, at)
  local store = node.children[at]
  local ok, answer = pcall(store.run, store, round.req)
  if not ok then answer = Policy.all(round.req, "failed", tostring(answer)) end
  confirm(node, round, at, answer)
  round.answers[at] = answer
  round.left = round.left - 1
  if not round.reply and decided(round) then conclude(round) end
  if round.left == 0 and round.last then host.wake(round.last) end
end


-- Marks every store as unconfirmed for the keys. Returns the new marks, and false
-- when there is no room for all.
local function mark(node, req)
  local marks = {}
  for at, suspects in ipairs(node.suspects) do
    for i = 1, req.n do
      if not suspects:has(req.keys[i]) then
        if not suspects:add(req.keys[i]) then return marks, false end
        marks[#marks + 1] = { at, i }
      end
    end
  end
  return marks, true
end


-- Takes marks back: all of them, or those of slots that no store has taken, where
-- there is nothing newer than what the stores hold.
local function unmark(node, round, marks, every)
  for _, entry in ipairs(marks) do
    local at, i = entry[1], entry[2]
    local landed = false
    for _, answer in pairs(round.answers) do
      landed = landed or class[answer[i]] ~= "error"
    end
    if every or not landed then node.suspects[at]:clear(round.req.keys[i]) end
  end
end


local function everywhere(node, req, round)
  round.answers, round.left = {}, #node.children
  local marks, noted = {}, true
  if round.wanted < #node.children then marks, noted = mark(node, req) end
  if not noted then
    round.wanted = #node.children
    unmark(node, round, marks, true)
  end
  for at = 1, #node.children do host.spawn(ask, node, round, at) end
  if round.left > 0 then
    round.last = host.prepare()
    host.wait(round.last)
  end
  unmark(node, round, marks)
  return round.reply
end


-- The task that outlives the caller: it holds the locks until all have answered.
local function run(node, round)
  local ok, reply = pcall(node.keys.write, node.keys, node, round.req,
    function(_, req) return everywhere(node, req, round) end)
  if not ok then reply = Policy.all(round.req, "failed", tostring(reply), node.name) end
  if not round.reply then
    round.reply = reply
    if round.waiter then host.wake(round.waiter) end
  end
end


--- Runs a write of a mirror.
function MirrorWrite.run(node, req)
  local round = { req = req, wanted = node.wanted }
  host.spawn(run, node, round)
  if not round.reply then
    round.waiter = host.prepare()
    local left = not node.bounded and req.deadline
    host.wait(round.waiter, left and math.max(left - host.now(), 0) or nil)
  end
  if round.reply then return round.reply end
  return Policy.all(req, "timeout", node.name .. ": too few copies in time", node.name)
end


return MirrorWrite
