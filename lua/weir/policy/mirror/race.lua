-- policy/mirror/race.lua: sends one request to several stores at once and returns as
-- soon as every slot has a good answer, or all stores have answered. Answers that come
-- later are dropped. The request must not use the caller's memory. Used by mirror.

local host = require "weir.host"
local Reply = require "weir.core.reply"

local Race = {}


local function add_answer(race, at, answer)
  local won = {}
  for i = 1, answer.n do
    if answer[i] == "ok" and race.reply and race.reply[i] ~= "ok" then won[i] = true end
    if answer[i] == "ok" and not race.reply then won[i] = true end
  end
  race.seen(at, answer, won)
  race.reply = race.reply and race.reply:merge(answer) or answer
  race.reply.req = race.req
end


local function read(race, at, store)
  local ok, answer = pcall(store.read, store, race.req)
  race.left = race.left - 1
  if race.over then return end
  if not ok then answer = Reply.uniform(race.req, "failed", tostring(answer)) end
  add_answer(race, at, answer)
  if race.left > 0 and not race.reply:all "good" then return end
  race.over = true
  if race.waiter then host.wake(race.waiter) end
end


--- stores: a list of objects with read(req). seen(at, answer, won) is called with each
--- answer that counts. won has the slots for which it was the first good one.
function Race.run(stores, req, seen)
  local race = { req = req, left = #stores, seen = seen }
  for at, store in ipairs(stores) do
    if not race.over then host.spawn(read, race, at, store) end
  end
  if not race.over then
    race.waiter = host.prepare()
    host.wait(race.waiter)
  end
  return race.reply
end


return Race
