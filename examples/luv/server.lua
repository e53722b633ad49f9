-- A line server over any store, on luv's loop: each connection is a task that reads
-- like blocking code, and others are served while it waits.
--
--     $ luajit examples/luv/server.lua 7070 fs:///tmp/weir &
--     listening on 127.0.0.1:7070
--     $ printf 'set color blue\nget color\nget shape\nquit\n' | nc 127.0.0.1 7070
--     stored
--     blue
--     no such key
--
-- The server ends when a client says quit.
local root = arg[0]:match "^(.*)/examples/luv/[^/]*$" or "."
package.path = root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua;" .. package.path

local uv = require "luv"
local weir = require "weir"
local host = require("weir.host.luv").new()
require("weir.host").use(host)

local port, target = tonumber(arg[1]) or 7070, arg[2] or "memory"
local store = weir.open(target)
local listener = uv.new_tcp()


local function answer(line)
  local key, value = line:match "^set (%S+) (.*)$"
  if key then
    local stored, err = store:set(key, value)
    return stored and "stored" or tostring(err)
  end
  key = line:match "^get (%S+)$"
  if not key then return "get KEY, set KEY VALUE or quit" end
  local found, err = store:get(key)
  return found and tostring(found) or err and tostring(err) or "no such key"
end


-- The lines of a connection, one a call; nil at its end.
local function lines_of(socket)
  local buffer, ended, waiter = "", false, nil
  socket:read_start(function(_, data)
    buffer, ended = buffer .. (data or ""), data == nil
    if waiter then host.wake(waiter) end
  end)
  return function()
    while not buffer:find "\n" and not ended do
      waiter = host.prepare()
      host.park(waiter)
      waiter = nil
    end
    local line, rest = buffer:match "^(.-)\r?\n(.*)$"
    buffer = rest or ""
    return line
  end
end


local function serve(socket)
  for line in lines_of(socket) do
    if line == "quit" then
      listener:close()
      break
    end
    socket:write(answer(line) .. "\n")
  end
  socket:shutdown(function() socket:close() end)
end


assert(listener:bind("127.0.0.1", port))
listener:listen(128, function()
  local socket = uv.new_tcp()
  listener:accept(socket)
  weir.spawn(serve, socket)
end)
io.write("listening on 127.0.0.1:", port, "\n")
io.flush()
uv.run()
store:close()
host.stop()
