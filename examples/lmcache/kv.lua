-- KV chunks of LLM engines: memory over NVMe over a Redis that many machines share.
--
--     weir check examples/lmcache/kv.lua
--     PYTHONPATH=examples/python python3 -m weir ask lua:examples/lmcache/kv.lua tree
--
-- KV_DIR and KV_REDIS (HOST:PORT) say where. README.md says why it is as it is, and
-- how LMCache, SGLang and vLLM are told to use it.
local dir = os.getenv "KV_DIR" or "/nvme/kv"
local server = os.getenv "KV_REDIS" or "127.0.0.1:6379"
local host, port = server:match "^(.+):(%d+)$"
if not host then error("KV_REDIS: expected HOST:PORT, got " .. server) end

local ram = memory { capacity = param("ram", "16GiB"), max_value = "64MiB" }
local disk = fs { path = dir, capacity = param("disk", "400GiB") }

-- A chunk that comes later than the engine could compute it is of no use. After ten
-- failures of the last twenty calls nothing is sent for two seconds, so that an engine
-- does not wait for a server that is down.
local far = redis { host = host, port = tonumber(port), workers = 4 }
  :timeout("500ms")
  :breaker { window = 20, min = 10, open = "2s" }

-- A new chunk goes to the last store. A chunk that is asked for a second time is worth
-- a place above. While Redis is away, what it alone has is a miss.
return tier { ram, disk, far, write = "around", promote = hits(2), fail_open = true }
  :coalesce()
  :deadline("2s")
