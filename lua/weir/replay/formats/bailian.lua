-- The traces of Alibaba's Bailian (Qwen): as Mooncake's, with chat_id and
-- parent_chat_id, the timestamp in seconds and 16 tokens an id. An id stands for a
-- block alone, not for what is before it: a block counts as a hit only behind the same
-- prefix, so the key is a hash over all ids up to here. Without that, 0.17 to 1.42 % of
-- the hits are false.

local Json = require "weir.replay.formats.json"
local C = require("weir.ffi").C


local function chain(_, ids, n)
  local hash = 0ULL
  for i = 1, n do
    hash = C.weir_hash(ids[i], #ids[i], hash)
    ids[i] = bit.tohex(hash, 16)
  end
  return 16
end


return {
  name = "bailian",
  help = "Bailian (Qwen) jsonl: timestamp in s, hash_ids of 16 tokens, of blocks",
  prefix = true,
  detect = function(head)
    return head:find '^%s*{' and head:find('"hash_ids"', 1, true)
      and head:find('"chat_id"', 1, true)
  end,
  open = function(input, opts)
    return Json.requests(input, { list = "hash_ids", time = "timestamp", unit = 1,
      keys = chain }, opts and opts.in_use)
  end,
}
