-- fake/store.lua: a store that does what its script says, on the fake host.
--
--     local far = script.store(host, "far", { takes = 0.01 })
--     far.data.k = "v"                       -- what it holds
--     far.faults.k = { "timeout", "ok" }     -- statuses of the next calls for k
--     far.down = "unavailable"               -- everything, until nil again
--     far.log                                -- { "get k1,k2", "set k1", ... }
--     far.tells = true                       -- it has events
--     far:tell("changed", { "k" })           -- ... such as this one
--
-- A call has two named awaits: NAME.OP before it takes effect, NAME.OP.reply
-- after. It honours deadlines as a connector does, unless `deaf`: then it is late
-- and writes into the caller's buffers whenever it gets there.

local ffi = require "ffi"
local Op = require "weir.core.op"
local Reply = require "weir.core.reply"
local Store = require "weir.core.store"
local Value = require "weir.core.value"

local Script = {}
local Scripted = setmetatable({}, { __index = Store })
Scripted.__index = Scripted


local function next_fault(self, op, key)
  if self.down then return self.down end
  if self.script then
    local status = self.script(op, key)
    if status then return status end
  end
  local list = self.faults[key]
  if type(list) == "table" then
    local status = table.remove(list, 1)
    return status ~= "ok" and status or nil
  end
  return list
end


local function expired(self, key)
  local by = self.expires[key]
  if by and by <= self.host.now() then self.data[key], self.expires[key] = nil, nil end
end


local function read(self, req, reply, i)
  local value = self.data[req.keys[i]]
  if value == nil then return reply:set(i, "miss") end
  local by = self.expires[req.keys[i]]
  local ttl = by and by - self.host.now()
  if not Op.returns[req.op] then
    return reply:set(i, "ok", { size = #value, ttl = ttl })
  end
  if not req.buffers then return reply:set(i, "ok", { value = value }) end
  if #value > req.caps[i] then return reply:set(i, "toobig", { size = #value }) end
  ffi.copy(req.buffers[i], value, #value)
  reply:set(i, "ok", { size = #value })
end


local function entry(key, size)
  local head = ffi.new("struct weir_scan_entry", { size = size, key_len = #key })
  return ffi.string(head, ffi.sizeof(head)) .. key .. ("\0"):rep(-#key % 8)
end


local function expire(self, key, ttl)
  self.expires[key] = ttl and self.host.now() + ttl or nil
end


local APPLY = {
  get = read, exists = read, stat = read,
  set = function(self, req, reply, i)
    self.data[req.keys[i]] = tostring(req.values[i])
    expire(self, req.keys[i], req:ttl_of(i))
    reply:set(i, "ok")
  end,
  delete = function(self, req, reply, i)
    reply:set(i, self.data[req.keys[i]] ~= nil and "ok" or "miss")
    self.data[req.keys[i]] = nil
  end,
  touch = function(self, req, reply, i)
    if self.data[req.keys[i]] == nil then return reply:set(i, "miss") end
    expire(self, req.keys[i], req:ttl_of(i))
    reply:set(i, "ok")
  end,
}

-- Stores a value that an atomic op made: one that is there keeps its time.
local function change(self, req, reply, i, value, number)
  local key = req.keys[i]
  if self.data[key] == nil then expire(self, key, req:ttl_of(i)) end
  self.data[key] = value
  reply:set(i, "ok")
  reply:note("numbers", i, number)
end


function APPLY.add(self, req, reply, i)
  if self.data[req.keys[i]] ~= nil then return reply:set(i, "rejected") end
  APPLY.set(self, req, reply, i)
end


function APPLY.replace(self, req, reply, i)
  if self.data[req.keys[i]] == nil then return reply:set(i, "miss") end
  APPLY.set(self, req, reply, i)
end


function APPLY.cas(self, req, reply, i)
  local value = self.data[req.keys[i]]
  if value == nil then return reply:set(i, "miss") end
  if Value.version_of(value) ~= req.numbers[i] then return reply:set(i, "rejected") end
  APPLY.set(self, req, reply, i)
end


function APPLY.incr(self, req, reply, i)
  local number = tonumber(self.data[req.keys[i]] or 0)
  if not number then return reply:set(i, "invalid") end
  number = number + req.numbers[i]
  change(self, req, reply, i, tostring(number), number)
end


function APPLY.append(self, req, reply, i)
  local value = (self.data[req.keys[i]] or "") .. tostring(req.values[i])
  change(self, req, reply, i, value, #value)
end


function APPLY.gat(self, req, reply, i)
  read(self, req, reply, i)
  if reply[i] == "ok" then expire(self, req.keys[i], req:ttl_of(i)) end
end


function APPLY.take(self, req, reply, i)
  read(self, req, reply, i)
  if reply[i] == "ok" then self.data[req.keys[i]] = nil end
end


-- A page of a scan: the cursor is the last key of the page before. `most`, if set, is
-- how many keys a page has, whatever was asked for.
local function scan(self, req, reply)
  local prefix, after = req.keys[1], req.cursors and req.cursors[1]
  local left, list = {}, {}
  for key in pairs(self.data) do
    expired(self, key)
    if self.data[key] and key:sub(1, #prefix) == prefix and (not after or key > after)
      then left[#left + 1] = key end
  end
  table.sort(left)
  local n = math.min(#left, self.most or req.page or #left)
  for i = 1, n do list[i] = entry(left[i], #self.data[left[i]]) end
  reply:set(1, "ok", { value = table.concat(list) })
  if n < #left then reply.cursors = { left[n] } end
end


-- A status that says "maybe applied" has been, by default: the harder case.
local MAYBE = { timeout = true, reset = true }


local function apply(self, req, reply)
  if req.op == "scan" and not self.down then return scan(self, req, reply) end
  for i = 1, req.n do
    local key = req.keys[i]
    expired(self, key)
    local fault = next_fault(self, req.op, key)
    local maybe = MAYBE[fault] and req.op ~= "get" and self.maybe_applied ~= false
    if not fault or maybe then
      APPLY[req.op](self, req, reply, i)
    end
    if fault then
      reply:set(i, fault, { message = self.name .. ": scripted", store = self.name })
    end
  end
end


local function answer_all(self, req, status)
  local reply = Reply.new(req)
  for i = 1, req.n do
    reply:set(i, status, { message = self.name .. ": " .. status, store = self.name })
  end
  return reply
end


-- Waits as long as the store takes. False: the deadline came first.
local function take_time(self, req)
  self.host:await(self.name .. "." .. req.op)
  if req.deadline and not self.deaf and self.host.now() >= req.deadline then
    return false
  end
  local delay = type(self.takes) == "function" and self.takes(req) or self.takes
  if not delay then return true end
  local now = self.host.now()
  if req.deadline and not self.deaf and now + delay > req.deadline then
    self.host.sleep(req.deadline - now)
    return false
  end
  self.host.sleep(delay)
  return true
end


-- Which keys had good answers, and how often: none should be asked again.
local function note_good(self, req, reply)
  for i = 1, req.op == "get" and req.n or 0 do
    local key = req.keys[i]
    if reply[i] == "ok" then self.good_reads[key] = (self.good_reads[key] or 0) + 1 end
  end
end


function Scripted:run(req)
  self.calls = self.calls + 1
  self.asked = self.asked + req.n
  self.log[#self.log + 1] = req.op .. " " .. table.concat(req.keys, ",")
  self.inflight = self.inflight + 1
  self.most_inflight = math.max(self.most_inflight, self.inflight)
  local reply
  if req.deadline and self.host.now() >= req.deadline and not self.deaf then
    reply = answer_all(self, req, "skipped")
  else
    if take_time(self, req) then
      reply = Reply.new(req)
      apply(self, req, reply)
      note_good(self, req, reply)
      self.host:await(self.name .. "." .. req.op .. ".reply")
    else
      reply = answer_all(self, req, "timeout")
    end
  end
  self.inflight = self.inflight - 1
  return reply
end


function Scripted:can_tell()
  if self.tells then return true end
  return Store.can_tell(self)
end


--- How many calls of an op there were.
function Scripted:count(op)
  local n = 0
  for _, line in ipairs(self.log) do
    if line:match "^%S+" == op then n = n + 1 end
  end
  return n
end


function Script.store(host, name, fields)
  local self = setmetatable(fields or {}, Scripted)
  self.host, self.name = host, name
  self.data, self.expires = self.data or {}, {}
  self.faults, self.log, self.good_reads = self.faults or {}, {}, {}
  self.calls, self.asked, self.inflight, self.most_inflight = 0, 0, 0, 0
  self.bounded = not self.deaf
  self.immediate = self.immediate or false
  return self
end


return Script
