-- What the gateway serves: memory over files. A reload (kill -HUP) reads this file
-- again; one that does not compile, or has a word or an option that is none, is
-- refused and the old one goes on serving.
local alone = require "weir.host.ngx.alone"

local ram = memory { capacity = "256MiB" }
local disk = fs { path = os.getenv "WEIR_VALUES" or "values", capacity = "10GiB" }

-- Memory is one worker's own: it is used while there is no other worker.
local copies = tier { ram, disk, write = "around", promote = maxsize "1MiB" }
return alone(copies:coalesce(), disk):deadline(5)
