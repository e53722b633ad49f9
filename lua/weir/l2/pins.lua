-- l2/pins.lua: references to the values of locked keys, so that a value which the store
-- evicts meanwhile can still be loaded. They hold `most` bytes at most. A value without
-- room is counted in `refused`, and its key is locked without it. Used by l2.lua.

local ffi = require "ffi"
local bytes = require "weir.core.bytes"

local Pins = {}
Pins.__index = Pins


function Pins.new(most)
  return setmetatable({ most = most, values = {}, n = 0, bytes = 0, refused = 0 }, Pins)
end


-- Takes a Value over, for the one that the key had if there was one.
local function hold(self, key, value)
  self:release(key)
  if self.bytes + #value > self.most then
    self.refused = self.refused + 1
    value:close()
    return
  end
  self.values[key] = value
  self.n, self.bytes = self.n + 1, self.bytes + #value
end


--- Takes the values of the keys that are locked out of a reply, and drops the others.
function Pins:take(keys, reply, locks)
  for i, key in ipairs(keys) do
    local value = reply:take(i)
    if value and reply[i] == "ok" and locks:count(key) > 0 then
      hold(self, key, value)
    elseif value then
      value:close()
    end
  end
end


--- Answers the misses of a reply whose keys have a value here. Returns the keys that
--- were read so, and their sizes.
function Pins:read(keys, buffers, reply)
  local read, sizes = {}, {}
  for i, key in ipairs(keys) do
    local value = reply[i] == "miss" and self.values[key]
    if value then
      local pointer, room = bytes.buffer(buffers[i], 1)
      local fits = #value <= room
      if fits then
        ffi.copy(pointer, value.data, #value)
        read[#read + 1], sizes[#sizes + 1] = key, #value
      end
      reply:set(i, fits and "ok" or "toobig", { size = #value })
    end
  end
  return read, sizes
end


function Pins:release(key)
  local value = self.values[key]
  if not value then return end
  self.values[key] = nil
  self.n, self.bytes = self.n - 1, self.bytes - #value
  value:close()
end


function Pins:clear()
  for key in pairs(self.values) do self:release(key) end
end


return Pins
