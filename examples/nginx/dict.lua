-- dict.lua: what lua_shared_dict is used for, on a store that all workers share. The
-- lines for nginx.conf are in README.md, "Instead of lua_shared_dict".
local weir = require "weir"

local Dict = {}

local store


--- open opens the mapping /dev/shm/weir.NAME, in each worker. The first one makes it.
function Dict.open(name)
  store = weir.shm { name = name, capacity = "16MiB" }
end


-- When the store fails, the site goes on without it, and the error is logged.
local function failed(err)
  ngx.log(ngx.ERR, tostring(err))
end


--- limit answers 429 to an address that has sent more than `most` requests within
--- `seconds`. They begin with its first request.
function Dict.limit(most, seconds)
  local key = "requests:" .. ngx.var.remote_addr
  local n, err = store:incr(key, 1, { ttl = seconds })
  if not n then return failed(err) end
  if n > most then return ngx.exit(429) end
end


--- every calls fn every so many seconds, in one of the workers. Another one does it
--- when that one has ended.
function Dict.every(seconds, name, fn)
  local function try(leaving)
    if leaving then return end
    local pid = tostring(ngx.worker.pid())
    local mine, err = store:add("job:" .. name, pid, { ttl = seconds })
    if err then return failed(err) end
    if mine then fn() end
  end
  ngx.timer.at(0, try)
  ngx.timer.every(seconds / 4, try)
end


local SESSION = 1800 -- seconds

local METHODS = {
  GET = function(key) return store:gat(key, SESSION) end,
  DELETE = function(key) return store:delete(key) end,
  PUT = function(key)
    ngx.req.read_body()
    return store:set(key, ngx.req.get_body_data() or "", { ttl = SESSION })
  end,
}


--- session serves /session/ID: PUT keeps the body for half an hour, GET returns it and
--- keeps it for half an hour more, DELETE ends it.
function Dict.session()
  local run = METHODS[ngx.req.get_method()]
  if not run then return ngx.exit(405) end
  local found, err = run("session:" .. ngx.var.uri:match "[^/]*$")
  if err then failed(err) end
  if not found then return ngx.exit(err and 503 or 404) end
  if found ~= true then ngx.print(tostring(found)) end
end


return Dict
