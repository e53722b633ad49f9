-- gateway.lua: a store over HTTP. nginx.conf calls one function a location.
local cjson = require "cjson.safe"
local ffi = require "ffi"
local weir = require "weir"
local Prometheus = require "weir.prometheus"
local read_policy = require "weir.host.ngx.policy"

local Gateway = {}

-- Bytes that are received or sent at once; larger values go in pieces, so that
-- one that is slow holds up nobody.
local PIECE = 64 * 1024

-- Of one batch: keys, and bytes of values in its answer.
local MOST_KEYS, MOST_BYTES = 1024, 16 * 2 ^ 20

-- What HTTP calls what happened to a key.
local STATUS = {
  ok = 200, miss = 404, busy = 429, rejected = 507, nospace = 507, toobig = 413,
  timeout = 504, skipped = 503, unavailable = 503, reset = 503, failed = 502,
  corrupt = 502, denied = 403, unsupported = 501, invalid = 400,
}

local store


-- ---- the policy file ----

local policy

--- read reads the policy file and raises what is wrong with it: in the master, whose
--- workers then all load what it has read.
function Gateway.read(file)
  policy = read_policy(file:match "^/" and file or ngx.config.prefix() .. file)
end


local publish

--- open loads the policy, in a worker. What is wrong there alone (a folder that it
--- may not write to) leaves it with a store that answers 503.
function Gateway.open()
  local good, loaded = pcall(weir.load, policy)
  if not good then ngx.log(ngx.ERR, tostring(loaded)) end
  store = good and loaded or weir.fail "unavailable"
  ngx.timer.every(1, publish)
end


-- ---- answers ----

local function send_json(status, text)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.header.content_length = #text + 1
  ngx.print(text, "\n")
  return ngx.exit(ngx.HTTP_OK)
end


local function json(status, body)
  return send_json(status, cjson.encode(body))
end


local function refuse(status, code, message)
  return json(status, { error = code, message = message })
end


local REFUSED = {
  [400] = { "invalid", "that is no request that nginx can read" },
  [404] = { "invalid", "there are /kv/KEY, /kv/_batch, /explain/KEY and /metrics" },
  [413] = { "toobig", "a value has at most 16 MiB, a batch 1 MiB" },
}

--- refused answers what nginx refuses by itself.
function Gateway.refused()
  return refuse(ngx.status, unpack(REFUSED[ngx.status]))
end


local function fail(err)
  if err.retryable then ngx.header.retry_after = 1 end
  return json(STATUS[err.code], {
    error = err.code, message = err.message, store = err.store,
    retryable = err.retryable,
  })
end


local function miss()
  return refuse(404, "miss", "there is no such key")
end


-- The rest of the path, any bytes: percent signs are decoded, a plus stays one. nginx
-- has chosen the location by a path without detours ("//", "..", "%6B"); where the
-- path begins with one, the key would not be what follows the prefix.
local function key_after(prefix)
  local path = ngx.var.request_uri:match "^[^?]*"
  local key = ngx.unescape_uri((path:sub(#prefix + 1):gsub("%+", "%%2B")))
  if path:sub(1, #prefix) == prefix and key ~= "" then return key end
  refuse(400, "invalid", ("the path is %sKEY, written just so"):format(prefix))
end


-- Whether the request has one of the methods that its path takes.
local function takes(methods)
  for method in methods:gmatch "%a+" do
    if method == ngx.req.get_method() then return true end
  end
  ngx.header.allow = methods
  refuse(405, "invalid", "this path takes " .. methods)
end


-- ---- one key ----

-- Sends a value in pieces, each when the client has taken the one before.
local function send(value)
  ngx.header.content_length = #value
  local at = 1
  while at <= #value do
    local sent = ngx.print(value:sub(at, at + PIECE - 1))
    at = at + PIECE
    if not sent or at <= #value and not ngx.flush(true) then return end
  end
end


local function get(key)
  local value, err = store:get(key)
  if not value then return err and fail(err) or miss() end
  send(value)
  value:close() -- now, not when the collector comes by: the next get takes its memory
end


local function head(key)
  local facts, err = store:stat(key)
  if not facts then
    ngx.status = err and STATUS[err.code] or 404
    return
  end
  ngx.header.content_length = facts.size
  if facts.ttl then ngx.header.cache_control = "max-age=" .. math.floor(facts.ttl) end
end


-- The body, received piece by piece into the value's own memory.
local function receive(size)
  if size == 0 then return "" end
  local socket, why = ngx.req.socket()
  if not socket then return nil, why end
  return weir.build(size, function(data)
    local at = 0
    while at < size do
      local piece, gone = socket:receive(math.min(size - at, PIECE))
      if not piece then error("the body ends early: " .. gone, 0) end
      ffi.copy(data + at, piece, #piece)
      at = at + #piece
    end
  end)
end


local function lifetime()
  local text = ngx.var.arg_ttl
  if not text then return true end
  local ttl = tonumber(text)
  return ttl and ttl > 0 and ttl < math.huge, ttl
end


local function put(key)
  local good, ttl = lifetime()
  if not good then
    return refuse(400, "invalid", "ttl is a number of seconds over 0")
  end
  local size = tonumber(ngx.var.http_content_length)
  if not size then
    return refuse(411, "invalid", "say the body's length in Content-Length")
  end
  local received, value, why = pcall(receive, size)
  if not received or not value then
    return refuse(400, "invalid", why or value)
  end
  local stored, err = store:set(key, value, { ttl = ttl })
  if not stored then return fail(err) end
  ngx.status = 204
end


local function delete(key)
  local removed, err = store:delete(key)
  if err then return fail(err) end
  if not removed then return miss() end
  ngx.status = 204
end


local METHODS = { GET = get, HEAD = head, PUT = put, DELETE = delete }

--- key serves /kv/KEY.
function Gateway.key()
  local key = takes "GET, HEAD, PUT, DELETE" and key_after "/kv/"
  if key then return METHODS[ngx.req.get_method()](key) end
end


-- ---- many keys ----

local function values_of(body, decode)
  local values = {}
  for i, value in ipairs(body.values or {}) do
    values[i] = type(value) == "string" and decode(value) or nil
  end
  return values
end


local function plain(text)
  return text
end


local OPS = {
  get = function(body) return store:get_many(body.keys) end,
  exists = function(body) return store:exists_many(body.keys) end,
  delete = function(body) return store:delete_many(body.keys) end,
  set = function(body)
    local decode = body.base64 and ngx.decode_base64 or plain
    return store:set_many(body.keys, values_of(body, decode), { ttl = body.ttl })
  end,
}


-- One by one: cjson cannot tell an empty list from an object.
local function slots(body, reply)
  local encode = body.base64 and ngx.encode_base64 or plain
  local list = {}
  for i = 1, #reply do
    local value, err = reply:string(i), reply:error(i)
    list[i] = cjson.encode {
      key = body.keys[i], status = reply[i], value = value and encode(value),
      error = err and err.message,
    }
  end
  return ("{\"slots\":[%s]}"):format(table.concat(list, ","))
end


-- The body of a batch, a null in it as if left out; nil when it is none.
local function batch_body()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  local body = text and cjson.decode(text)
  if type(body) ~= "table" then return nil end
  for name, value in pairs(body) do
    if value == cjson.null then body[name] = nil end
  end
  return OPS[body.op] and type(body.keys) == "table" and body
end


--- batch serves /kv/_batch: {"op", "keys", "values", "ttl", "base64"}.
function Gateway.batch()
  if not takes "POST" then return end
  local body = batch_body()
  if not body then
    return refuse(400, "invalid", "send {\"op\": \"get\", \"keys\": [...]}; "
      .. "the ops are get, set, exists, delete")
  end
  if #body.keys > MOST_KEYS then
    return refuse(413, "toobig", ("a batch has at most %d keys"):format(MOST_KEYS))
  end
  -- Whoever sends keys that are none is told by the verb what they should be.
  local good, reply = pcall(OPS[body.op], body)
  if not good then
    local message = tostring(reply):gsub("^.-:%d+: ", "")
    return refuse(400, "invalid", message)
  end
  if reply:bytes() > MOST_BYTES then
    return refuse(413, "toobig", "the values come to over 16 MiB: ask for fewer")
  end
  return send_json(200, slots(body, reply))
end


-- ---- for operators ----

--- explain serves /explain/KEY.
function Gateway.explain()
  local key = key_after "/explain/"
  if not key then return end
  local good, steps = pcall(store.explain, store, ngx.var.arg_op or "get", key)
  if not good then return refuse(400, "invalid", tostring(steps)) end
  ngx.header.content_type = "text/plain"
  ngx.say(tostring(steps))
end


-- Each worker counts for itself; whoever is asked answers for all.
function publish(leaving)
  local counts = ngx.shared.gateway_counts
  local id = "worker " .. ngx.worker.id()
  if leaving then
    counts:delete(id)
    return
  end
  local samples = Prometheus.collect(store, { worker = ngx.worker.id() })
  counts:set(id, cjson.encode(samples))
end


--- metrics serves /metrics: the counts of all workers.
function Gateway.metrics()
  publish()
  local all = {}
  for id = 0, ngx.worker.count() - 1 do
    local samples = ngx.shared.gateway_counts:get("worker " .. id)
    all[#all + 1] = samples and cjson.decode(samples)
  end
  ngx.header.content_type = "text/plain; version=0.0.4"
  ngx.print(Prometheus.text(all))
end


return Gateway
