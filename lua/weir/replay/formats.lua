-- replay/formats.lua: the formats of traces: one a file in formats/, which says
--
--   name, help
--   detect(head, path)  whether a file that begins so is of the format
--   open(input, opts)   returns a function for the next request, or nil at the end,
--                       and two booleans: requests have ops, have times to live
--   takes_columns       true: --columns is about it
--   recorded            true: requests are done as they are recorded; else a get
--                       that misses is computed and set
--   prefix              true: only the leading hits of a batch are of use
--
-- A request is { time = seconds, op, n, keys, size or sizes, ttl, tokens }, where
-- tokens are those of one key. What is wrong with a line is raised by input:bad.

local Ffi = require "weir.ffi"

local Formats = {}

-- In the order in which they are asked.
Formats.NAMES = { "weir", "lmcache", "bailian", "mooncake", "csv", "oracle" }


--- The format of a name, or nil and why there is none.
function Formats.find(name)
  for _, known in ipairs(Formats.NAMES) do
    if known == name then return require("weir.replay.formats." .. name) end
  end
  return nil, ("there is no format %q%s"):format(name, Ffi.suggest(name, Formats.NAMES))
end


--- The format of a file that begins with `head`, or nil.
function Formats.detect(head, path)
  for _, name in ipairs(Formats.NAMES) do
    local format = require("weir.replay.formats." .. name)
    if format.detect(head, path) then return format end
  end
end


return Formats
