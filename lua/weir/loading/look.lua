-- loading/look.lua: the verbs peek and purge, for caches over an origin. They are
-- methods of every store.

local check_method = require "weir.core.method"
local host = require "weir.host"
local Request = require "weir.core.request"
local status = require "weir.core.status"

local Look = {}

-- Errors of arguments point at the caller of the verb.
local VERB = 2


-- The seconds that a value has left: those that ttl or fetch know of, else what the
-- store says, which includes the time that a value may be served stale.
local function time_left(self, key, reply, deadline)
  local left = reply:ttl(1)
  local by = self.loading and self.loading.fresh:get(key)
  if by and by < math.huge then left = by - host.now() end
  if left then return left end
  local ask = Request.new("stat", { key })
  ask.deadline, ask.peek = deadline, true -- a chunk reads values to answer a stat
  local facts = self:run(ask)
  return facts[1] == "ok" and facts:ttl(1) or nil
end


--- Reads a value as it lies there: no copy is made, no loader called, no refresh begun.
--- A value past its time is returned, too. The third result says how long the value is
--- fresh (ttl: seconds, below 0 past its time, nil if it does not expire), whether it
--- is stale, and which level of a tier has it.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return weir.Value? value, weir.Error? err
---@return { ttl: number?, stale: boolean, level: integer? }? facts
function Look:peek(key, opts)
  check_method(self, "peek", VERB)
  local req = Request.one("get", key, opts, VERB)
  req.peek = true
  local reply = self:run(req)
  if reply[1] == "miss" then return nil end
  if status.class[reply[1]] ~= "good" then return nil, reply:error(1) end
  local level, value = reply:level(1), reply:take(1)
  local left = time_left(self, key, reply, req.deadline)
  return value, nil, { ttl = left, stale = left ~= nil and left <= 0, level = level }
end


--- Removes a value from all stores above the origins, and forgets that it is absent.
--- Unlike delete it succeeds although an origin cannot delete. false: there was none.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return boolean? removed, weir.Error? err
function Look:purge(key, opts)
  check_method(self, "purge", VERB)
  local req = Request.one("delete", key, opts, VERB)
  req.purge = true
  local reply = self:run(req)
  if status.class[reply[1]] == "good" then return true end
  if reply[1] == "miss" then return false end
  return nil, reply:error(1)
end


--- As purge, for a list of keys.
---@param keys string[]
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return weir.Reply
function Look:purge_many(keys, opts)
  check_method(self, "purge_many", VERB)
  local req = Request.new("delete", keys, opts, VERB)
  req.purge = true
  local reply = self:run(req)
  return req.positions and reply:expand(req.positions) or reply
end


return Look
