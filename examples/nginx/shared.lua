-- For the gateway: memory that all workers share, over files. A reload, a crash of a
-- worker and a restart of nginx leave both as they are, and no worker serves an old
-- value, whichever of them wrote. Right for any worker_processes:
--
--     cp examples/nginx/shared.lua build/gateway/kv.lua
--
-- The memory is /dev/shm/weir.gateway. Remove that file to give it back, and when other
-- programs have changed the files.
local ram = shm { name = "gateway", capacity = "256MiB" }
local disk = fs { path = os.getenv "WEIR_VALUES" or "values", capacity = "10GiB" }

return tier { ram, disk, write = "around", promote = maxsize "1MiB" }
  :coalesce():deadline(5)
