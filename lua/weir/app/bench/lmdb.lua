-- weir bench lmdb
--
-- Runs the C program (examples/bench/lmdb.c) beside a redis-server of its own that
-- appends each set to a file and syncs it every second.
local Server = require "weir.app.bench.redis_server"


return function(bench)
  local server = Server.start "--appendonly yes --appendfsync everysec"
  local good, err = pcall(bench.program, bench, "lmdb", server and server.url)
  if server then server:stop() end
  if not good then error(err, 0) end
end
