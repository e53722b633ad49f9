-- app/explore/sniff.lua: guesses the type of a value by its first bytes, in one to
-- three words, and measures how random its bytes are. Used by hex.
local Bytes = require "weir.app.show.bytes"

local Sniff = {}

-- Magic bytes at the beginning. The first row that fits counts.
local MAGIC = {
  { "\31\139", "gzip" }, { "\40\181\47\253", "zstd" }, { "\4\34\77\24", "lz4" },
  { "BZh", "bzip2" }, { "\2537zXZ\0", "xz" }, { "PK\3\4", "zip" },
  { "\137PNG\r\n", "png" }, { "\255\216\255", "jpeg" }, { "GIF8", "gif" },
  { "\127ELF", "elf" }, { "%PDF-", "pdf" }, { "\147NUMPY", "numpy" },
  { "\27LJ", "luajit bytecode" }, { "!<arch>\n", "ar archive" },
  { "SQLite format 3\0", "sqlite" }, { "\128\2", "pickle" }, { "\128\4", "pickle" },
  { "\128\5", "pickle" },
}

local SAMPLE = 65536


local function magic(head)
  for _, row in ipairs(MAGIC) do
    if head:sub(1, #row[1]) == row[1] then return row[2] end
  end
  if head:sub(258, 262) == "ustar" then return "tar" end
  if head:sub(5, 8) == "ftyp" then return "mp4" end
  -- A length of eight bytes, then the JSON of a header.
  if head:find "^..?.?%z*{\"" and head:sub(9, 10) == '{"' then return "safetensors" end
end


-- Text that was cut may end within a character.
local function is_text(sample)
  for cut = 0, 3 do
    if Bytes.is_text(sample:sub(1, #sample - cut)) then
      return not sample:find "[%z\1-\8\14-\26\28-\31]"
    end
  end
  return false
end


--- The type that a value looks like.
---@param value string|weir.Value
---@return string
function Sniff.kind(value)
  if #value == 0 then return "empty" end
  local sample = value:sub(1, SAMPLE)
  local found = magic(sample)
  if found then return found end
  if not is_text(sample) then return "binary" end
  if sample:find "^%s*[{%[]" and value:sub(-64):find "[}%]]%s*$" then return "json" end
  return sample:find "[\128-\255]" and "text, UTF-8" or "text"
end


--- entropy returns the bits of information a byte carries by itself, 0 to 8, of at
--- most the first 64 KiB. Compressed and encrypted bytes come near 8.
---@param value string|weir.Value
---@return number
function Sniff.entropy(value)
  local sample = value:sub(1, SAMPLE)
  local counts, bits = {}, 0
  for i = 1, #sample do
    local byte = sample:byte(i)
    counts[byte] = (counts[byte] or 0) + 1
  end
  for _, count in pairs(counts) do
    local share = count / #sample
    bits = bits - share * math.log(share) / math.log(2)
  end
  return bits
end


return Sniff
