-- http.lua: a client for specs of hosts that serve: whole requests with curl, many of
-- them at once, and requests that hang up before the answer.
local uv = require "luv"
local shell = require "shell"

local Http = {}


--- get returns the status and the body of an answer; curl's further options.
---@return integer status, string body
function Http.get(url, options)
  local code, text = shell.run(("curl -s -m 20 -w '\\n%%{http_code}' %s %s")
    :format(options or "", shell.quote(url)))
  local body, status = text:match "^(.*)\n(%d+)$"
  return tonumber(status) or -code, body
end


local REQUEST = "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
  .. "Content-Length: %d\r\n\r\n%s"


--- send calls done(status, body) when a request on a connection of its own has been
--- answered; status is nil when it has not. Something must run luv's loop.
---@param done fun(status: integer?, body: string)
function Http.send(port, method, path, body, done)
  local socket, parts = uv.new_tcp(), {}
  local function finish()
    local answer = table.concat(parts)
    socket:close(function()
      done(tonumber(answer:match "^HTTP/1.1 (%d+)"), answer:match "\r\n\r\n(.*)$")
    end)
  end
  socket:connect("127.0.0.1", port, function(err)
    if err then return finish() end
    socket:write(REQUEST:format(method, path, #body, body))
    socket:read_start(function(failed, data)
      if failed or not data then return finish() end
      parts[#parts + 1] = data
    end)
  end)
end


local function hang_up(port, request, done)
  local socket = uv.new_tcp()
  socket:connect("127.0.0.1", port, function(err)
    if err then
      socket:close(done)
      return
    end
    socket:write(request, function()
      -- What runs in the worker is reached only after the request was read.
      local timer = uv.new_timer()
      timer:start(2, 0, function()
        timer:close()
        socket:close(done)
      end)
    end)
  end)
end


--- abort sends n requests, so many at once, and closes each connection 2 ms later.
function Http.abort(port, path, n, at_once)
  local request = ("GET %s HTTP/1.1\r\nHost: x\r\n\r\n"):format(path)
  local started, ended = 0, 0
  local function next_one()
    if started == n then return end
    started = started + 1
    hang_up(port, request, function()
      ended = ended + 1
      next_one()
    end)
  end
  for _ = 1, at_once do next_one() end
  uv.run()
  assert(ended == n)
end


return Http
