-- What the gateway serves: memory over files. A reload (kill -HUP) reads this file
-- again; one that does not compile, or has a word or an option that is none, is
-- refused and the old one goes on serving.
local ram = memory { capacity = "256MiB" }
local disk = fs { path = os.getenv "WEIR_VALUES" or "values", capacity = "10GiB" }

return tier { ram, disk, promote = maxsize "1MiB" } :coalesce() :deadline(5)
