-- policy/chunk/pieces.lua: the heads of values that are stored in pieces, the keys of
-- their pieces, and requests for them.
--
-- The key of a piece is the key of its value, a zero byte, "p", the salt of the value
-- and the number of the piece, both in hexadecimal digits. So it goes where keys with
-- the same prefix go. Each set makes a salt: the time in seconds, for the sweep, and 12
-- bytes of chance.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local host = require "weir.host"
local Request = require "weir.core.request"
local Value = require "weir.core.value"

local new_table = require "table.new"

local Pieces = {}

local SUFFIX = 2 + 32 + 8
local PATTERN = "^%z[p]" .. ("%x"):rep(40) .. "$"

-- The pieces of a value with a time to live live so much longer. A value ends with its
-- head, which is written last.
local SLACK = 60

---@class weir.Pieces
---@field length integer  of the value
---@field piece integer   of each piece but the last one
---@field salt string     in hexadecimal digits
---@field n integer       pieces

local read_slot, codecs


local function library()
  if not codecs then
    codecs = Ffi.codec()
    read_slot = ffi.new "struct weir_pieces"
  end
  return codecs
end


-- ---- keys ----

--- Whether a key is that of a piece.
function Pieces.is_piece(key)
  local n = #key
  return n > SUFFIX and key:byte(n - SUFFIX + 1) == 0
    and key:find(PATTERN, n - SUFFIX + 1) ~= nil
end


--- The key of the value that a piece belongs to.
function Pieces.owner(key)
  return key:sub(1, -SUFFIX - 1)
end


--- The seconds since the epoch when the value of a piece was set, and its salt.
function Pieces.made(key)
  local salt = key:sub(-40, -9)
  return tonumber(salt:sub(1, 8), 16), salt
end


local function key_of(key, salt, k)
  return ("%s\0p%s%08x"):format(key, salt, k)
end


-- ---- heads ----

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end


local function unhex(digits)
  return (digits:gsub("%x%x", function(two)
    return string.char(tonumber(two, 16))
  end))
end


local function make_salt()
  local function word() return math.floor(host.random() * 2 ^ 32) end
  return ("%08x%08x%08x%08x"):format(os.time() % 2 ^ 32, word(), word(), word())
end


--- What a value of so many bytes is cut into.
---@return weir.Pieces
function Pieces.plan(length, piece)
  return { length = length, piece = piece, n = math.ceil(length / piece),
    salt = make_salt() }
end


--- The bytes of a head.
function Pieces.head(plan)
  local lib, head = library(), ffi.new "struct weir_pieces"
  head.length, head.piece = plan.length, plan.piece
  ffi.copy(head.salt, unhex(plan.salt), 16)
  local bytes = ffi.new("char[?]", lib.WEIR_PIECES_HEAD)
  lib.weir_pieces_put(head, bytes)
  return ffi.string(bytes, lib.WEIR_PIECES_HEAD)
end


--- The form of a value that is stored whole: a head in front of it.
function Pieces.stored(value)
  local lib, size = library(), #value
  return Value.build(lib.WEIR_CODEC_HEAD + size, function(to)
    lib.weir_stored_put(size, to)
    ffi.copy(to + lib.WEIR_CODEC_HEAD, type(value) == "string" and value or value.data,
      size)
  end)
end


--- Reads a value of the store. Returns "pieces" and what its head says, or "stored",
--- "plain" or "corrupt".
---@param pointer ffi.cdata* a struct weir_value *
function Pieces.read(pointer)
  local lib = library()
  local kind = lib.weir_pieces_read(read_slot, pointer)
  if kind == lib.WEIR_CHUNKED_STORED then return "stored" end
  if kind == lib.WEIR_CHUNKED_PLAIN then return "plain" end
  if kind ~= lib.WEIR_CHUNKED_PIECES then return "corrupt" end
  local length, piece = tonumber(read_slot.length), tonumber(read_slot.piece)
  return "pieces", { length = length, piece = piece, n = math.ceil(length / piece),
    salt = hex(ffi.string(read_slot.salt, 16)) }
end


--- The value behind the head of a value that is stored whole, without a copy.
function Pieces.body(pointer)
  local lib = library()
  local part = lib.weir_piece_cut(pointer, lib.WEIR_CODEC_HEAD,
    pointer.size - lib.WEIR_CODEC_HEAD)
  if part == nil then error "weir: out of memory" end
  return Value.own(part)
end


--- Piece k of a value, without a copy. k begins with 0.
---@param whole weir.Value
function Pieces.cut(whole, plan, k)
  local at = k * plan.piece
  local part = library().weir_piece_cut(whole.ref, at, Pieces.size(plan, k))
  if part == nil then error "weir: out of memory" end
  return Value.own(part)
end


--- The size of piece k.
function Pieces.size(plan, k)
  return math.min(plan.piece, plan.length - k * plan.piece)
end


-- ---- requests ----

--- A request for all pieces of some slots' values. plans: by slot. Returns the request
--- and, for each of its keys, the slot and the number of the piece.
function Pieces.request(op, req, slots, plans)
  local keys, owners, numbers, n = {}, {}, {}, 0
  for _, i in ipairs(slots) do
    local plan = plans[i]
    for k = 0, plan.n - 1 do
      n = n + 1
      keys[n], owners[n], numbers[n] = key_of(req.keys[i], plan.salt, k), i, k
    end
  end
  local pieces = Request.plain(op, keys, n)
  pieces.deadline, pieces.trace = req.deadline, req.trace
  pieces.peek, pieces.purge = req.peek, req.purge
  if req.limit then
    -- Retries below count the attempts of a slot, whatever its pieces.
    pieces.limit, pieces.origin = req.limit, new_table(n, 0)
    for j = 1, n do pieces.origin[j] = req:place(owners[j]) end
  end
  return pieces, owners, numbers
end


--- The times to live of pieces, if their values have one.
function Pieces.times(req, owners)
  if not req.ttl and not req.ttls then return nil end
  local ttls = {}
  for j, i in ipairs(owners) do
    local ttl = req:ttl_of(i)
    ttls[j] = ttl and ttl + SLACK
  end
  return ttls
end


--- The same request for other keys or with another op: no values, no buffers.
function Pieces.derive(req, op, slots)
  local some = req:subset(slots)
  some.op, some.values, some.buffers, some.caps = op, nil, nil, nil
  some.given, some.ttl, some.ttls = nil, nil, nil
  return some
end


return Pieces
