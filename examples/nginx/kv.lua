-- What the gateway serves: memory that all workers share, over files. No worker serves
-- an old value, whichever of them wrote. A reload (kill -HUP) reads this file again. If
-- it does not compile, or has an unknown word or option, it is refused, and the policy
-- from before goes on serving.
--
-- The memory is the file /dev/shm/weir.NAME, of which `run` chooses the NAME. It stays
-- over reloads, crashes and restarts. Remove it while nginx is stopped to give it back,
-- and when other programs have changed the files.
local ram = shm { name = os.getenv "WEIR_SHM" or "gateway", capacity = "256MiB" }
local disk = fs { path = os.getenv "WEIR_VALUES" or "values", capacity = "10GiB" }

return tier { ram, disk, write = "around", promote = maxsize "1MiB" }
  :coalesce():deadline(5)
