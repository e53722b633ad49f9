-- checksum {}: the store below holds each value behind a head of 16 bytes and its
-- XXH3 sum of 8 (runtime/codec/codec.h). A value whose sum is wrong is corrupt and
-- never returned. It finds damage, not forgery: crypt does both. fs has checksums of
-- its own.

local Arguments = require "weir.policy.shared.arguments"
local Coded = require "weir.policy.shared.coded"

local Checksum = Coded.word "checksum"

Checksum.HELP = "The store below holds a checksum with each value. A damaged value is "
  .. "corrupt."
Checksum.EXAMPLE = "far:checksum()"
Checksum.OPTIONS = Coded.rows {}


function Checksum.new(child, ...)
  local given = Arguments.read("checksum", Checksum.OPTIONS, ...)
  local codec = Coded.codec("checksum", "XXH3", given, {})
  return Coded.node(Checksum, child, given, codec)
end


return Checksum
