-- LMCache's record of lookups: timestamp (s), request_id, model, chunk_size, seq_len,
-- chunk_hashes. A hash is of a prefix; two models share none.

local Json = require "weir.replay.formats.json"


local function name(line, ids, n)
  local model = line:match '"model"%s*:%s*"([^"]*)"' or ""
  for i = 1, n do ids[i] = model .. "@" .. ids[i] end
  return tonumber(line:match '"chunk_size"%s*:%s*(%d+)') or 256
end


return {
  name = "lmcache",
  help = "LMCache lookup hashes jsonl: timestamp in s, chunk_hashes",
  prefix = true,
  detect = function(head)
    return head:find '^%s*{' and head:find('"chunk_hashes"', 1, true)
  end,
  open = function(input, opts)
    return Json.requests(input, { list = "chunk_hashes", time = "timestamp", unit = 1,
      keys = name }, opts and opts.in_use)
  end,
}
