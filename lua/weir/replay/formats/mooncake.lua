-- Mooncake's traces: a JSON object a line with timestamp (ms), input_length,
-- output_length and hash_ids, an id for each 512 tokens. Equal ids are equal prefixes.

local Json = require "weir.replay.formats.json"

return {
  name = "mooncake",
  help = "Mooncake jsonl: timestamp in ms, hash_ids of 512 tokens",
  prefix = true,
  detect = function(head)
    return head:find '^%s*{' and head:find('"hash_ids"', 1, true)
  end,
  open = function(input, opts)
    return Json.requests(input, { list = "hash_ids", time = "timestamp", unit = 1e-3,
      tokens = 512 }, opts and opts.in_use)
  end,
}
