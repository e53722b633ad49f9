-- core/events.lua: news of a store beside its replies: keys that were changed below it,
-- by anyone, and sight, which is whether the store learns of every change. Methods of
-- store.lua. A word that keeps copies listens to the store below it.
--
-- A listener is a table with hear(self, event, what, store). The events:
--   "changed"   the keys in the list `what` were set, deleted, expired or evicted
--   "lost"      changes may go unnoticed; what: why, or nil
--   "regained"  changes are noticed again; all older copies are suspect
-- A listener begins without sight. It is told "regained" at once if the store sees.
-- Stores refer to their listeners weakly, so a tree that a reload has replaced goes.

local Events = {}

local WEAK = { __mode = "v" }


--- Whether the store can tell of changes; "alone": nobody else makes any. nil, and why
--- not.
---@return boolean|"alone"|nil able, string? why
function Events:can_tell()
  return nil, self.name .. ": cannot tell of changes that others make"
end


-- The listeners that are still there.
local function listeners(self)
  local list, n = {}, 0
  local known = self.listeners or {}
  for i = 1, known.n or 0 do
    if known[i] then
      n = n + 1
      list[n] = known[i]
    end
  end
  list.n = n
  return setmetatable(list, WEAK)
end


--- Starts to tell a listener of events; nil and why: the store cannot.
---@param listener { hear: fun(self: any, event: string, what: any, store: any) }
---@return boolean? listens, string? why
function Events:listen(listener)
  local able, why = self:can_tell()
  if not able then return nil, why end
  if self.listen_below then self:listen_below() end
  local list = listeners(self)
  for i = 1, list.n do
    if list[i] == listener then return true end
  end
  list.n = list.n + 1
  list[list.n], self.listeners = listener, list
  if self.sees then listener:hear("regained", nil, self) end
  return true
end


--- Tells the listeners of an event: all of them, then the first error is raised.
function Events:tell(event, what)
  if event ~= "changed" then self.sees = event == "regained" end
  local list, failed, why = self.listeners, false, nil
  for i = 1, list and list.n or 0 do
    local listener = list[i]
    if listener then
      local good, err = pcall(listener.hear, listener, event, what, self)
      if not good and not failed then failed, why = true, err end
    end
  end
  if failed then error(why, 0) end
end


return Events
