-- answers.lua: what the gateway's answers look like, and what it asks of a request.
-- Used by gateway.lua and batch.lua.
local Json = require "weir.app.show.json"
local Literal = require "weir.app.show.literal"

local Answers = {}

-- What HTTP calls what happened to a key.
Answers.STATUS = {
  ok = 200, miss = 404, busy = 429, rejected = 507, nospace = 507, toobig = 413,
  timeout = 504, skipped = 503, unavailable = 503, reset = 503, failed = 502,
  corrupt = 502, denied = 403, unsupported = 501, invalid = 400,
}


--- send_json answers with a text that is JSON.
function Answers.send_json(status, text)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.header.content_length = #text + 1
  ngx.print(text, "\n")
  return ngx.exit(ngx.HTTP_OK)
end


local function json(status, body)
  return Answers.send_json(status, Json.encode(body))
end


--- sentence returns an error as a message: without the place in the source where it was
--- raised, and as text, whatever bytes of a key or of a server's answer are in it.
function Answers.sentence(err)
  return Literal.harmless((tostring(err):gsub("^[^\n]-%.lua:%d+: ", "")))
end


--- refuse answers that nothing will come of a request.
function Answers.refuse(status, code, message)
  return json(status, { error = code, message = Answers.sentence(message) })
end


--- fail answers with the error of a verb.
function Answers.fail(err)
  if err.retryable then ngx.header.retry_after = 1 end
  return json(Answers.STATUS[err.code], {
    error = err.code, message = Answers.sentence(err.message),
    store = err.store and Answers.sentence(err.store), retryable = err.retryable,
  })
end


function Answers.miss()
  return Answers.refuse(404, "miss", "there is no such key")
end


--- key_after returns the rest of the path, any bytes: percent signs are decoded, a
--- plus stays one. nginx has chosen the location by a path without detours ("//",
--- "..", "%6B"); where the path begins with one, the key would not be what follows
--- the prefix.
function Answers.key_after(prefix)
  local path = ngx.var.request_uri:match "^[^?]*"
  local key = ngx.unescape_uri((path:sub(#prefix + 1):gsub("%+", "%%2B")))
  if path:sub(1, #prefix) == prefix and key ~= "" then return key end
  Answers.refuse(400, "invalid", ("the path is %sKEY, written just so"):format(prefix))
end


--- takes returns whether the request has one of the methods that its path takes.
function Answers.takes(methods)
  for method in methods:gmatch "%a+" do
    if method == ngx.req.get_method() then return true end
  end
  ngx.header.allow = methods
  Answers.refuse(405, "invalid", "this path takes " .. methods)
end


return Answers
