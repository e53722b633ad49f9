-- What several workers serve: memory of each over one Redis (WEIR_REDIS), which others
-- write to, too. Redis says which keys have changed, and coherent = true deletes the
-- copies of these. While a worker cannot hear that, it reads from Redis alone.
local ram = memory { capacity = "256MiB" }
local far = open(os.getenv "WEIR_REDIS" or "redis://127.0.0.1:6379",
  { tracking = true, prefix = "kv:" })

return tier { ram, far, coherent = true, promote = maxsize "1MiB" }
  :coalesce():deadline(5)
