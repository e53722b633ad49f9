-- batch.lua: POST /kv/_batch: {"op", "keys", "values", "ttl", "base64"}, an op on many
-- keys. Used by gateway.lua.
local cjson = require "cjson.safe"
local Answers = require "answers"

-- Of one batch: keys, and bytes of values in its answer.
local MOST_KEYS, MOST_BYTES = 1024, 16 * 2 ^ 20


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
  get = function(store, body) return store:get_many(body.keys) end,
  exists = function(store, body) return store:exists_many(body.keys) end,
  delete = function(store, body) return store:delete_many(body.keys) end,
  set = function(store, body)
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


--- Serves a batch over a store.
return function(store)
  if not Answers.takes "POST" then return end
  local body = batch_body()
  if not body then
    return Answers.refuse(400, "invalid", "send {\"op\": \"get\", \"keys\": [...]}; "
      .. "the ops are get, set, exists, delete")
  end
  if #body.keys > MOST_KEYS then
    local message = ("a batch has at most %d keys"):format(MOST_KEYS)
    return Answers.refuse(413, "toobig", message)
  end
  -- Whoever sends keys that are none is told by the verb what they should be.
  local good, reply = pcall(OPS[body.op], store, body)
  if not good then
    local message = tostring(reply):gsub("^.-:%d+: ", "")
    return Answers.refuse(400, "invalid", message)
  end
  if reply:bytes() > MOST_BYTES then
    return Answers.refuse(413, "toobig", "the values have over 16 MiB: ask for fewer")
  end
  return Answers.send_json(200, slots(body, reply))
end
