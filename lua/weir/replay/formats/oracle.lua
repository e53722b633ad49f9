-- libCacheSim's oracleGeneral: 24 bytes a request, little-endian: u32 time in s, u64
-- object id, u32 size, i64 the index of the next access, which only detecting reads.

local ffi = require "ffi"

local RECORD = 24
local AT_ONCE = 4096

local records = ffi.typeof [[const struct __attribute__((packed)) {
  uint32_t time; uint64_t id; uint32_t size; int64_t next;
} *]]


-- Decimal as long as a number can say it.
local function key_of(id)
  if id < 0x20000000000000ULL then return ("%d"):format(tonumber(id)) end
  return "x" .. bit.tohex(id, 16)
end


-- Whether the next access can be one: an index, -1 or the largest number for none.
local function plausible(index)
  return index >= -1 and (index < 2LL ^ 48 or index == 0x7fffffffffffffffLL)
end


-- Whether the first records of a file can be some: their times do not fall.
local function detected(head)
  if #head < RECORD or not head:sub(1, 200):find "[%z\1-\8]" then return false end
  local list, time = ffi.cast(records, head), 0
  for i = 0, math.floor(#head / RECORD) - 1 do
    if list[i].time < time or not plausible(list[i].next) then return false end
    time = list[i].time
  end
  return true
end


return {
  name = "oracle",
  help = "libCacheSim oracleGeneral: 24 bytes a request",
  detect = function(head, path)
    return path:find "[oO]racleGeneral" ~= nil or detected(head)
  end,
  open = function(input)
    local piece, n, at
    n, at = 0, 0
    return function()
      if at == n then
        piece = input:read_bytes(RECORD * AT_ONCE)
        n, at = math.floor(#piece / RECORD), 0
        if #piece % RECORD ~= 0 then
          input.line = input.line + n + 1
          input:bad_line(("the last record has %d bytes of 24"):format(#piece % RECORD))
        end
        if n == 0 then return nil end
      end
      local r = ffi.cast(records, piece)[at]
      at = at + 1
      input.line = input.line + 1
      return { time = r.time, op = "get", n = 1, keys = { key_of(r.id) },
        size = math.max(r.size, 1) }
    end
  end,
}
