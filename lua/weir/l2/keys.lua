-- l2/keys.lua: writes and reads the keys of a KV cache in LMCache's form:
--     model@rank@group@hash[@salt]      rank in 8 hex digits, group and hash in hex
-- A key is a table { model=, rank=, group=, hash= bytes, salt= or nil }. The salt
-- separates tenants, "" is none. A salt may become a part of a file's name: characters
-- that LMCache refuses in a salt are refused here.

local Keys = {}

local SALT_MAX = 128

---@class weir.l2.Key
---@field model string
---@field rank integer   0 to 2^32 - 1
---@field group integer  0 to 2^53
---@field hash string    bytes
---@field salt string?


-- The fields and their checks, in the order of the text.
local FIELDS = {
  { "model", "a name without @" },
  { "rank", "a whole number below 2^32" },
  { "group", "a whole number up to 2^53" },
  { "hash", "a string of bytes, at least one" },
  { "salt", ("a name without @, /, \\ and NUL of %d bytes at most, or none")
    :format(SALT_MAX) },
}


local function is_name(x)
  return type(x) == "string" and x ~= "" and not x:find("@", 1, true)
end


local function is_whole(x, limit)
  return type(x) == "number" and x >= 0 and x <= limit and x % 1 == 0
end


local function is_salt(x)
  return is_name(x) and #x <= SALT_MAX and not x:find "[/\\%z]"
end


local CHECKS = {
  model = is_name,
  rank = function(x) return is_whole(x, 2 ^ 32 - 1) end,
  group = function(x) return is_whole(x, 2 ^ 53) end,
  hash = function(x) return type(x) == "string" and x ~= "" end,
  salt = function(x) return x == nil or x == "" or is_salt(x) end,
}


local function refuse(name, expected, value, level)
  local given = type(value) == "string" and ("%q"):format(value) or tostring(value)
  error(("a key's %s is %s, not %s"):format(name, expected, given), level + 1)
end


local function hex_of(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end


local function bytes_of(hex)
  return (hex:gsub("%x%x", function(c) return string.char(tonumber(c, 16)) end))
end


-- A whole number in hex, also one that is too large for %x.
local function long_hex(x)
  local high = math.floor(x / 2 ^ 32)
  if high == 0 then return ("%x"):format(x) end
  return ("%x%08x"):format(high, x % 2 ^ 32)
end


--- The text of a key. Errors point `level` frames up.
---@param key weir.l2.Key
---@return string
function Keys.encode(key, level)
  level = (level or 1) + 1
  if type(key) ~= "table" then
    error(("a key is a table { model, rank, group, hash, salt }, not a %s")
      :format(type(key)), level)
  end
  for _, field in ipairs(FIELDS) do
    local name, expected = field[1], field[2]
    local value = key[name]
    if not CHECKS[name](value) then refuse(name, expected, value, level) end
  end
  local text = ("%s@%08x@%s@%s"):format(key.model, key.rank, long_hex(key.group),
    hex_of(key.hash))
  return key.salt and key.salt ~= "" and text .. "@" .. key.salt or text
end


--- The key of a text, or nil when it is none.
---@param text string
---@return weir.l2.Key?
function Keys.decode(text)
  local model, rank, group, hash, rest = text:match "^([^@]+)@(%x+)@(%x+)@(%x+)(.*)$"
  if not model or #rank ~= 8 or #group > 14 or #hash % 2 ~= 0 then return nil end
  local salt = rest:match "^@([^@]+)$"
  if rest ~= "" and not is_salt(salt) then return nil end
  return {
    model = model, rank = tonumber(rank, 16), group = tonumber(group, 16),
    hash = bytes_of(hash), salt = salt,
  }
end


--- The salt of a key's text, "" when it has none.
---@param text string
---@return string
function Keys.salt(text)
  return text:match "^[^@]*@[^@]*@[^@]*@[^@]*@([^@]+)$" or ""
end


local function check_text(text, level)
  local salt = Keys.salt(text)
  if salt == "" or is_salt(salt) then return text end
  refuse("salt", FIELDS[#FIELDS][2], salt, level + 1)
end


--- The texts of a list of keys. A text stays as it is.
function Keys.encode_all(keys, level)
  if type(keys) ~= "table" then
    error(("keys are a list, not a %s"):format(type(keys)), level + 1)
  end
  local list = {}
  for i = 1, #keys do
    local key = keys[i]
    if type(key) == "string" then
      list[i] = check_text(key, level + 1)
    else
      list[i] = Keys.encode(key, level + 1)
    end
  end
  return list
end


return Keys
