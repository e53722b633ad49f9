-- policy/shared/beginning.lua: what has to end well before a node answers its first
-- request, such as reading a journal. It runs in a task of its own, so it ends although
-- the caller is killed. Other requests wait for it. Used by write-back and spool.

local Detach = require "weir.policy.shared.detach"
local Reply = require "weir.core.reply"

local Beginning = {}


local function attempt(self, fn)
  local ok, good, status, why = pcall(fn, self)
  self.beginning, self.ready = false, ok and good or false
  self.dirty:changed()
  if not ok then error(good, 0) end
  return { status = status, why = why }
end


local function refuse(req, name, status, why)
  return Reply.uniform(req, status, ("%s: %s"):format(name, why), name)
end


--- Calls fn(self), which returns true, or nil, a status and a sentence. Then self.ready
--- is true. Returns the reply to a request if it failed, or did not end before the
--- deadline. self.dirty: the writes (dirty.lua) whose waiters are woken at the end.
--- name: of the node.
function Beginning.run(self, req, name, fn)
  local late = "the journal is still being read"
  while self.beginning do
    if not self.dirty:wait(req.deadline) then
      return refuse(req, name, "skipped", late)
    end
  end
  if self.ready then return nil end
  self.beginning = true
  local result = Detach.call(req.deadline, attempt, self, fn)
  if self.ready then return nil end
  if not result then return refuse(req, name, "skipped", late) end
  return refuse(req, name, result.status, result.why)
end


return Beginning
