-- policy/shared/journal_records.lua: the records of a journal, as bytes. Used by
-- journal.lua.
--
-- A record has a number, the next higher one each time. It says that a key was set or
-- deleted, or that the store has the write of its key with that number and all
-- before (clean). So the records may be read in any order, and twice: of a key the
-- write with the highest number counts, if no clean record has that number or a higher
-- one. A record ends where its lengths say, and has two checksums. What is wrong, and
-- all behind it in the same file, is cut: after a crash that can only be writes that
-- were not acknowledged.

local ffi = require "ffi"
local C = require("weir.ffi").C

local Records = { SET = 1, DELETE = 2, CLEAN = 3 }

local MAGIC = 0x6c6a5731

local Head = ffi.typeof [[struct {
  uint32_t magic, kind, key_len, reserved;
  uint64_t number, value_len;
  double ends;
  uint64_t value_hash, head_hash;
}]]
local head_ptr = ffi.typeof("const $ *", Head)
local HEAD, CHECKED = ffi.sizeof(Head), ffi.offsetof(Head, "head_hash")


-- The checksum of a head and its key.
local function head_hash(head, key, key_len)
  return C.weir_hash(key, key_len, C.weir_hash(head, CHECKED, 0))
end


--- The bytes of a record.
function Records.size_of(record)
  local value = record.value
  return HEAD + #record.key + (value and #value or 0)
end


--- Writes a record to memory. Returns the end of it.
function Records.encode(record, to)
  local key, value = record.key, record.value
  local head = Head(MAGIC, record.kind, #key, 0, record.number, value and #value or 0,
    record.ends or 0)
  local data = value and (type(value) == "string" and value or value.data)
  head.value_hash = C.weir_hash(data or "", head.value_len, 0)
  head.head_hash = head_hash(head, key, #key)
  ffi.copy(to, head, HEAD)
  ffi.copy(to + HEAD, key, #key)
  to = to + HEAD + #key
  if data then ffi.copy(to, data, #value) end
  return to + tonumber(head.value_len)
end


-- The head at a place, if a whole and right record is there.
local function decode(data, left)
  if left < HEAD then return nil end
  local head = ffi.cast(head_ptr, data)
  local most = left - HEAD - head.key_len
  if head.magic ~= MAGIC or most < 0 or tonumber(head.value_len) > most then
    return nil
  end
  if head_hash(head, data + HEAD, head.key_len) ~= head.head_hash then return nil end
  local value = data + HEAD + head.key_len
  if C.weir_hash(value, head.value_len, 0) ~= head.value_hash then return nil end
  return head, value
end


--- Reads the records in memory. live: by key the last write, { kind, number, ends,
--- from, size }. clean: by key the highest number that the authority has. Returns the
--- highest number, and the bytes that were cut.
function Records.read(data, size, live, clean, highest)
  local at = 0
  while at < size do
    local head, value = decode(data + at, size - at)
    if not head then break end
    local key = ffi.string(data + at + HEAD, head.key_len)
    local number, before = tonumber(head.number), live[key]
    highest = math.max(highest, number)
    if head.kind == Records.CLEAN then
      clean[key] = math.max(clean[key] or 0, number)
    elseif not before or before.number < number then
      live[key] = { kind = head.kind, number = number, ends = head.ends, from = value,
        size = tonumber(head.value_len) }
    end
    at = at + HEAD + head.key_len + tonumber(head.value_len)
  end
  return highest, size - at
end


return Records
