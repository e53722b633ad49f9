-- batch.lua: POST /kv/_batch: {"op", "keys", "values", "ttl", "base64"}, an op on many
-- keys. Used by gateway.lua.
local cjson = require "cjson.safe"
local Answers = require "answers"
local Bytes = require "weir.app.show.bytes"
local Ffi = require "weir.ffi"
local Json = require "weir.app.show.json"

-- Of one batch: keys, and bytes of values in its answer.
local MOST_KEYS, MOST_BYTES = 1024, 16 * 2 ^ 20

-- Bytes that are sent at once.
local PIECE = 64 * 1024

local FIELDS = { "op", "keys", "values", "ttl", "base64" }

-- Raised; what is no batch is 400.
local TOO_LARGE = {}


-- ---- what is asked ----

local function fail(message, ...)
  error(message:format(...), 0)
end


local function check_fields(body)
  for name in pairs(body) do
    local known = false
    for _, field in ipairs(FIELDS) do known = known or field == name end
    if not known then
      fail("a batch has no %s%s", tostring(name), Ffi.suggest(name, FIELDS))
    end
  end
end


-- A list of strings, decoded; `what` is one of them: "key".
local function strings(what, list, decode)
  if type(list) ~= "table" or #list == 0 and next(list) ~= nil then
    fail("%ss is a list of strings", what)
  end
  local decoded = {}
  for i, text in ipairs(list) do
    if type(text) ~= "string" then
      local kind = text == cjson.null and "null" or "a " .. type(text)
      fail("%s %d is %s: a %s is a string", what, i, kind, what)
    end
    decoded[i] = decode(text) or fail("%s %d is not base64", what, i)
  end
  return decoded
end


local function plain(text)
  return text
end


-- The body as { op, keys, values, ttl, base64 }; a null in it is as if left out.
local function read_body()
  ngx.req.read_body()
  local text = ngx.req.get_body_data() or ""
  if not Bytes.is_text(text) then
    fail "the body is not UTF-8: send keys and values that are no text with base64"
  end
  local body = cjson.decode(text)
  if type(body) ~= "table" then fail "the body is not a JSON object" end
  for name, value in pairs(body) do
    if value == cjson.null then body[name] = nil end
  end
  check_fields(body)
  if body.base64 ~= nil and type(body.base64) ~= "boolean" then
    fail "base64 is true or false"
  end
  local decode = body.base64 and ngx.decode_base64 or plain
  body.keys = strings("key", body.keys, decode)
  if #body.keys > MOST_KEYS then error(TOO_LARGE, 0) end
  body.values = strings("value", body.values or {}, decode)
  return body
end


-- ---- what is done ----

-- The sizes are asked for first: 1,024 values can be 16 GiB. Where a store does not
-- tell a size, or a value was replaced meanwhile, what was read is released.
local function get(store, body)
  if store:stat_many(body.keys):bytes() > MOST_BYTES then error(TOO_LARGE, 0) end
  local reply = store:get_many(body.keys)
  if reply:bytes() > MOST_BYTES then
    reply:close()
    error(TOO_LARGE, 0)
  end
  return reply
end


local OPS = {
  get = get,
  exists = function(store, body) return store:exists_many(body.keys) end,
  delete = function(store, body) return store:delete_many(body.keys) end,
  set = function(store, body)
    return store:set_many(body.keys, body.values, { ttl = body.ttl })
  end,
}

local OP_NAMES = { "get", "set", "exists", "delete" }


local function run(store)
  local body = read_body()
  local op = OPS[body.op] or fail("op is one of %s, not %s%s",
    table.concat(OP_NAMES, ", "), tostring(body.op), Ffi.suggest(body.op, OP_NAMES))
  return body, op(store, body)
end


-- ---- what is answered ----

-- With base64 all keys and values are; without it only a value that is no text, under
-- a name that says so.
local function slot(body, reply, i)
  local value, err = reply:string(i), reply:error(i)
  local object = { status = reply[i], error = err and Answers.sentence(err.message) }
  local encode = body.base64 and ngx.encode_base64 or plain
  object.key = encode(body.keys[i])
  if value and not body.base64 and not Bytes.is_text(value) then
    object.value_base64 = ngx.encode_base64(value)
  else
    object.value = value and encode(value)
  end
  return Json.encode(object)
end


-- Sends the slots as the client takes them, each value released when it is sent.
local function send(body, reply)
  ngx.header.content_type = "application/json"
  ngx.print '{"slots":['
  local waiting = 0
  for i = 1, #reply do
    local text = slot(body, reply, i)
    reply:drop(i)
    ngx.print(i > 1 and "," or "", text)
    waiting = waiting + #text
    if waiting >= PIECE then
      if not ngx.flush(true) then break end
      waiting = 0
    end
  end
  ngx.print "]}\n"
  reply:close()
end


--- Serves a batch over a store.
return function(store)
  if not Answers.takes "POST" then return end
  local good, body, reply = pcall(run, store)
  if body == TOO_LARGE then
    return Answers.refuse(413, "toobig",
      "a batch has at most 1,024 keys, and 16 MiB of values: ask for fewer")
  end
  if not good then return Answers.refuse(400, "invalid", body) end
  return send(body, reply)
end
