-- crypt { "keys.txt" }: the store below holds values encrypted with AES-256-GCM, with
-- 44 bytes more each (runtime/codec/codec.h). The key of the store is authenticated
-- with the value: a value that was altered, or copied to another key, is corrupt. Keys
-- of the store are not encrypted.
--
-- The key file has one key a line: its number, 1 to 255, and 64 hexadecimal digits. The
-- first line encrypts, all lines decrypt. To rotate keys put a new line in front,
-- reload, and remove the old line when no value needs it any more. Only its owner may
-- use the file.

local ffi = require "ffi"
local Arguments = require "weir.policy.shared.arguments"
local Coded = require "weir.policy.shared.coded"
local Ffi = require "weir.ffi"

local Crypt = Coded.word "crypt"

Crypt.HELP = "The store below holds encrypted values."
Crypt.EXAMPLE = 'far:crypt "keys.txt"'
Crypt.OPTIONS = Coded.rows {
  { "key_file", at = 1, is = "path", required = "the path of a key file",
    help = "a file of lines NUMBER and 64 hexadecimal digits; the first one encrypts" },
}


local failure = ffi.new "struct weir_error"


function Crypt.new(child, ...)
  local given = Arguments.read("crypt", Crypt.OPTIONS, ...)
  local codecs = Ffi.codec()
  local keys = ffi.new("struct weir_codec_key[?]", codecs.WEIR_CODEC_KEYS)
  local n = codecs.weir_codec_read_keys(given.key_file, keys, failure)
  if n < 0 then error("crypt: " .. ffi.string(failure.message), 0) end
  local codec = Coded.codec("crypt", "AES", given, { keys = keys, n_keys = n })
  ffi.fill(keys, ffi.sizeof(keys))
  return Coded.node(Crypt, child, given, codec)
end


return Crypt
