-- policy/hedge/race.lua: one read that is sent to a store again when its answer takes
-- too long. Each attempt runs in a task of its own. The race is over when every slot
-- has an answer that is no error, or when no attempt is left. Attempts that still run
-- then are cancelled. The request must not use the caller's memory. Used by hedge.

local host = require "weir.host"
local status = require "weir.core.status"

local Race = {}
Race.__index = Race


--- store: where the attempts go.
function Race.new(store, req)
  return setmetatable({ store = store, req = req, tasks = {}, sent = 0, left = 0 },
    Race)
end


local function finish(self)
  self.over = true
  if self.waiter then host.wake(self.waiter) end
end


-- The store is the same one, so any answer is better than an error.
local function join(self, answer, number)
  local reply = self.reply
  if not reply then
    self.reply, self.winner = answer, number
    return
  end
  for i = 1, answer.n do
    if status.class[reply[i]] == "error" and status.class[answer[i]] ~= "error" then
      reply:adopt(i, answer, i)
      self.winner = number
    end
  end
end


local function attempt(self, number)
  local ok, answer = pcall(self.store.run, self.store, self.req)
  self.tasks[number] = nil
  if self.over or answer == host.KILLED then return end
  self.left = self.left - 1
  if ok then join(self, answer, number) else self.failure = answer end
  if self.left == 0 or self.failure or not self.reply:any "error" then finish(self) end
end


--- Sends the request once more.
function Race:send()
  local number = self.sent + 1
  self.sent, self.left = number, self.left + 1
  local task = host.spawn(attempt, self, number)
  if not self.over then self.tasks[number] = task end
end


--- Cancels the attempts that still run. Returns how many there were.
function Race:cancel()
  local tasks, n = self.tasks, 0
  self.over, self.tasks = true, {}
  for _, task in pairs(tasks) do
    host.kill(task)
    n = n + 1
  end
  return n
end


--- Waits for the end, for `seconds` at most if given. Returns whether it is over.
function Race:wait(seconds)
  if self.over then return true end
  self.waiter = host.prepare()
  local _, why = host.park(self.waiter, seconds)
  self.waiter = nil
  if why == "killed" then
    self:cancel()
    error(host.KILLED, 0)
  end
  if self.failure then error(self.failure, 0) end
  return self.over or false
end


return Race
