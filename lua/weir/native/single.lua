-- native/single.lua: get, get_string and set of inline stores, without a request.
-- Methods of native.lua.

local ffi = require "ffi"
local Batch = require "weir.native.batch"
local Charging = require "weir.native.charging"
local Error = require "weir.core.error"
local Op = require "weir.core.op"
local Store = require "weir.core.store"
local Value = require "weir.core.value"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local ffi_string = ffi.string
local NAMES = status.names
local OK, MISS = status.number.ok, status.number.miss
local GET, SET = Op.number.get, Op.number.set

local Single = {}


local function fail(self, batch)
  local name = NAMES[batch.items[0].status]
  local message = ffi_string(batch.error.message)
  Batch.put(batch)
  return Error.new(name, message ~= "" and message or nil, self.name)
end


-- Returns the batch of a get that was answered, and its item.
local function got(self, key)
  local batch = Batch.take(1)
  C.weir_batch_reset(batch, GET, 1)
  local item = batch.items[0]
  item.key, item.key_len = key, #key
  C.weir_submit(self.handle, nil, batch)
  return batch, item
end


function Single:get(key, opts)
  if opts or type(key) ~= "string" or not self.immediate then
    return Store.get(self, key, opts)
  end
  local batch, item = got(self, key)
  local number, value = item.status, item.value
  if number > MISS then return nil, fail(self, batch) end
  item.value = nil
  Batch.put(batch)
  if number ~= OK then return nil end
  if not self.shared then Charging.got(self, value, tonumber(value.size)) end
  return Value.own(value)
end


function Single:get_string(key, opts)
  if opts or type(key) ~= "string" or not self.immediate then
    return Store.get_string(self, key, opts)
  end
  local batch, item = got(self, key)
  local number, value = item.status, item.value
  if number > MISS then return nil, fail(self, batch) end
  local text = number == OK and ffi_string(value.data, value.size) or nil
  Batch.put(batch)
  return text
end


function Single:set(key, value, opts)
  if opts or type(key) ~= "string" or type(value) ~= "string" or not self.immediate then
    return Store.set(self, key, value, opts)
  end
  local batch = Batch.take(1)
  C.weir_batch_reset(batch, SET, 1)
  local item = batch.items[0]
  item.key, item.key_len = key, #key
  Batch.store(item, value)
  C.weir_submit(self.handle, nil, batch)
  local number = item.status
  if number ~= OK then
    if NAMES[number] == "rejected" then return false, fail(self, batch) end
    return nil, fail(self, batch)
  end
  Batch.put(batch)
  if self.shared then Value.charge(#value) end
  return true
end


return Single
