-- compress { "zstd", level = 3, above = "1KiB" }: the store below holds compressed
-- values, with a head of 16 bytes (runtime/codec/codec.h). zstd shrinks more, lz4 is
-- faster; each reads what the other one made. Values below `above`, and those that do
-- not shrink to `worth` of their size, are stored as they are behind the head.
--
-- stat and scan tell the sizes in the store, since the others are not known without
-- reading. What is encrypted does not shrink: write far:crypt(...):compress(), so that
-- a set compresses first.

local Arguments = require "weir.policy.shared.arguments"
local Coded = require "weir.policy.shared.coded"

local Compress = Coded.word "compress"

Compress.HELP = "The store below holds compressed values."
Compress.EXAMPLE = 'disk:compress { "zstd", level = 3, above = "1KiB" }'
Compress.OPTIONS = Coded.rows {
  { "codec", at = 1, is = { "zstd", "lz4" }, default = "zstd",
    help = "how values are compressed",
    values = { zstd = "Zstandard", lz4 = "LZ4: larger values, in less time" } },
  { "level", is = "number",
    help = "zstd: -7 to 22 (3); lz4: over 1, to 12, is slower and smaller" },
  { "above", is = "size", default = 2 ^ 10,
    help = "smaller values are not compressed" },
  { "worth", is = "share", default = 0.9,
    help = "a value that does not shrink to this share is not compressed" },
  { "dictionary", is = "path",
    help = "the path of a dictionary made by zstd --train, for small values alike" },
}


local function read_dictionary(path)
  local file, why = io.open(path, "rb")
  if not file then error("compress: dictionary: " .. why, 0) end
  local bytes = file:read "*a"
  file:close()
  return bytes
end


local function check(given)
  local zstd = given.codec == "zstd"
  local low, high = zstd and -7 or 0, zstd and 22 or 12
  local level = given.level or 0
  if level % 1 ~= 0 or level < low or level > high then
    error(("compress: level of %s is a whole number from %d to %d, not %g"):format(
      given.codec, low, high, level), 0)
  end
  if given.dictionary and given.codec ~= "zstd" then
    error("compress: only zstd takes a dictionary", 0)
  end
  return level
end


function Compress.new(child, ...)
  local given = Arguments.read("compress", Compress.OPTIONS, ...)
  local fields = { level = check(given), above = given.above, worth = given.worth }
  local dictionary = given.dictionary and read_dictionary(given.dictionary)
  if dictionary then
    fields.dictionary, fields.dictionary_size = dictionary, #dictionary
  end
  local codec = Coded.codec("compress", given.codec:upper(), given, fields)
  return Coded.node(Compress, child, given, codec)
end


return Compress
