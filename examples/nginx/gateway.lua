-- gateway.lua: a store over HTTP. nginx.conf calls one function a location.
local buffer = require "string.buffer"
local ffi = require "ffi"
local weir = require "weir"
local Prometheus = require "weir.prometheus"
local Answers = require "answers"
local batch = require "batch"
local read_policy = require "weir.host.ngx.policy"

local STATUS = Answers.STATUS
local fail, miss, refuse = Answers.fail, Answers.miss, Answers.refuse

local Gateway = {}

-- Bytes that are received or sent at once; larger values go in pieces, so that
-- one that is slow holds up nobody.
local PIECE = 64 * 1024

-- The longest time that caches are told; a larger number may not fit theirs.
local LONGEST = 2 ^ 31 - 1

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
  if facts.ttl then
    ngx.header.cache_control = ("max-age=%d"):format(math.min(facts.ttl, LONGEST))
  end
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
  local key = Answers.takes "GET, HEAD, PUT, DELETE" and Answers.key_after "/kv/"
  if key then return METHODS[ngx.req.get_method()](key) end
end


--- batch serves /kv/_batch.
function Gateway.batch()
  return batch(store)
end


-- ---- for operators ----

--- explain serves /explain/KEY.
function Gateway.explain()
  local key = Answers.key_after "/explain/"
  if not key then return end
  local good, steps = pcall(store.explain, store, ngx.var.arg_op or "get", key)
  if not good then return refuse(400, "invalid", steps) end
  ngx.header.content_type = "text/plain"
  ngx.say(tostring(steps))
end


-- Each worker counts for itself; whoever is asked answers for all.
function publish(leaving)
  if leaving then return end -- its successor has the same id
  local samples = Prometheus.collect(store, { worker = ngx.worker.id() })
  ngx.shared.gateway_counts:set("worker " .. ngx.worker.id(), buffer.encode(samples))
end


--- metrics serves /metrics: the counts of all workers.
function Gateway.metrics()
  publish()
  local all = {}
  for id = 0, ngx.worker.count() - 1 do
    local samples = ngx.shared.gateway_counts:get("worker " .. id)
    all[#all + 1] = samples and buffer.decode(samples)
  end
  ngx.header.content_type = "text/plain; version=0.0.4"
  ngx.print(Prometheus.text(all))
end


-- ---- what nginx refuses by itself ----

local REFUSED = {
  [400] = { "invalid", "that is no request that nginx can read" },
  [404] = { "invalid", "there are /kv/KEY, /kv/_batch, /explain/KEY and /metrics" },
  [413] = { "toobig", "a value has at most 16 MiB, a batch 1 MiB" },
}

--- refused answers what nginx refuses by itself.
function Gateway.refused()
  return refuse(ngx.status, unpack(REFUSED[ngx.status]))
end


return Gateway
