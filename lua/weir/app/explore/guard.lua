-- app/explore/guard.lua: a store around a store of the session. It refuses changes or
-- asks before them, tells when a server is lost and when it is back, and reports each
-- reply. All else is the store's own, so a guard can be put into any tree.
local Host = require "weir.host"
local Op = require "weir.core.op"
local Paths = require "weir.observe.paths"
local Quantity = require "weir.core.quantity"
local Reply = require "weir.core.reply"
local Store = require "weir.core.store"
local words = require "weir.language.words"

---@class weir.Guard: weir.Store
---@field inner weir.Store
local Guard = {}

-- Statuses that mean that the server was not reached.
local LOST = { unavailable = true, reset = true }

-- Verbs go through run, whatever shortcuts the store has of its own.
local VERBS = { get_into = true, get_into_many = true }
for op in pairs(Op.number) do
  if not Op.prefix[op] then VERBS[op], VERBS[op .. "_many"] = true, true end
end

-- Fields of a guard. The store may have others of the same names.
local OWN = { "read_only", "prod", "confirm", "notice", "seen", "lost", "healthy",
  "opened_as", "scope" }

local Meta = {
  __tostring = Store.__tostring,
  -- A store is often called like the connector's word, which it hides.
  __call = function(self, ...)
    local word = words.find(self.opened_as or self.title)
    if not word then error(self.title .. " is a store, no function", 2) end
    return word(...)
  end,
}


function Meta.__index(self, name)
  local own = Guard[name]
  if own ~= nil then return own end
  if VERBS[name] then return Store[name] end
  return rawget(self, "inner")[name]
end


--- Guards a store. Fields: inner: the store; title: its name in the session; opened_as:
--- the connector; read_only; prod and confirm(question) -> whether it may be changed,
--- by all of `scope` ("this line"); notice(text); seen(req, reply, seconds).
---@return weir.Guard
function Guard.new(fields)
  for _, name in ipairs(OWN) do fields[name] = fields[name] or false end
  return setmetatable(fields, Meta)
end


--- Whether something is one.
function Guard.is(x)
  return type(x) == "table" and getmetatable(x) == Meta
end


--- Whether a store of a tree is marked prod=true. Stores behind another guard do not
--- count: that one asks for them.
---@param store weir.Store
---@return boolean
function Guard.is_prod(store)
  if Guard.is(store) then return false end
  if rawget(store, "prod") == true then return true end
  for _, entry in ipairs(Paths.children(store)) do
    if Guard.is_prod(entry[2]) then return true end
  end
  return false
end


--- Why a change is refused, or nil. what: the change in words; nil: that of req.
function Guard.refusal(self, req, what)
  if self.read_only then return self.title .. " is open read-only" end
  if not self.prod then return nil end
  local question = ("%s is marked prod: %s, and what else %s changes?"):format(
    self.title, what or req.op .. " " .. Quantity.things(req.n, "key"), self.scope)
  if self.confirm and self.confirm(question) then return nil end
  return self.title .. " is marked prod, and nobody agreed to the change"
end


local function deny(req, why)
  local reply = Reply.new(req)
  for i = 1, req.n do reply:set(i, "denied", { message = why }) end
  reply.good = 0
  return reply
end


local function watch(self, reply)
  local lost, answered
  for i = 1, reply.n do
    if LOST[reply[i]] then lost = lost or i else answered = true end
  end
  if lost and not answered and not self.lost then
    self.lost = true
    self.notice(("%s is lost: %s"):format(self.title, tostring(reply:error(lost))))
  elseif answered and self.lost then
    self.lost = false
    self.notice(self.title .. " answers again")
  end
end


-- The entries of the store itself stand where the guard stands in a tree.
local function own_entries(self, trace)
  for _, entry in ipairs(trace) do
    if entry.store == self.inner then entry.store = self end
  end
end


--- Runs a request unless it is a change that may not be.
function Guard:run(req)
  local why = Op.writes[req.op] and Guard.refusal(self, req)
  if why then return deny(req, why) end
  local begun = Host.now()
  local reply = self.inner:run(req)
  if self.seen then self.seen(req, reply, Host.now() - begun) end
  if self.notice then watch(self, reply) end
  if req.trace then own_entries(self, req.trace) end
  return reply
end


--- Makes a share of the replies fail. This replaces an earlier call.
function Guard:break_some(rate, status)
  self.healthy = self:sound()
  self.inner = words.find "fault"(self.healthy, { rate = rate, status = status })
end


--- Ends that. false: there was nothing to end.
---@return boolean
function Guard:heal()
  local healthy = self.healthy
  self.inner, self.healthy = healthy or self.inner, false
  return healthy ~= false
end


--- The store itself, without the faults.
---@return weir.Store
function Guard:sound()
  return self.healthy or self.inner
end


-- A policy file that is read anew may be marked otherwise.
for _, name in ipairs { "reload", "undo" } do
  Guard[name] = function(self)
    local store = self:sound()
    if not store[name] then
      return nil, self.title .. " was not opened from a policy file"
    end
    local done, err = store[name](store)
    if not done then return nil, err end
    self.prod = Guard.is_prod(store)
    return true
  end
end


for _, name in ipairs { "tree", "stats", "explain", "scan", "close", "begin_close" } do
  Guard[name] = function(self, ...)
    local inner = self.inner
    return inner[name](inner, ...)
  end
end


return Guard
