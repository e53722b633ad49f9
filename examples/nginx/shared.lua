-- For the gateway: values in memory that all workers share, and that a reload, a crash
-- of a worker and a restart of nginx leave as it is. Right for any worker_processes:
--
--     cp examples/nginx/shared.lua build/gateway/kv.lua
--
-- The memory is /dev/shm/weir.gateway; remove that file to give it back.
return shm { name = "gateway", capacity = "256MiB" } :deadline(5)
