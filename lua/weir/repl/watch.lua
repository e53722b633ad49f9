-- watch.lua: an expression evaluated again and again, shown when its result
-- changes; behind .watch and `weir watch`.
local Evaluate = require "weir.repl.evaluate"
local Host = require "weir.host"
local Json = require "weir.show.json"
local Literal = require "weir.show.literal"
local Quantity = require "weir.show.quantity"

local Watch = {}


--- Splits "EXPR [s]": a last word that is a time belongs to it only if what is left
--- is an expression.
---@return function chunk, number seconds
function Watch.parse(text, env)
  local expression, last = text:match "^(.*%S)%s+(%S+)$"
  local seconds = last and Quantity.seconds(last)
  local chunk = seconds and Evaluate.compile(expression, env)
  if chunk then return chunk, seconds end
  local whole, why = Evaluate.compile(text, env)
  if not whole then error(why == "more" and "needs an expression" or why, 0) end
  return whole, 1
end


-- What an evaluation gave, as text.
local function text_of(session, fine, result, err)
  if result == Host.KILLED then error(result, 0) end
  if fine and result ~= nil then return session.output:text(result) end
  if not fine then err = result end
  if err == nil then return session.output:text(nil) end
  local json = session.output.format == "json"
  return json and Json.encode { error = tostring(err) } or "error: " .. tostring(err)
end


local function show(session, text)
  if session.output.format == "json" then
    text = ('{"at":%d,"result":%s}'):format(os.time(), text)
  else
    text = os.date "%H:%M:%S  " .. Literal.harmless(text)
  end
  session.output:print(text)
end


--- Evaluates, `times` times or for ever, and shows what differs from the last one.
---@param times integer?
function Watch.run(session, chunk, seconds, times)
  local last
  for i = 1, times or math.huge do
    local text = text_of(session, pcall(chunk))
    if text ~= last then show(session, text) end
    last = text
    if i ~= times then Host.sleep(seconds) end
  end
end


return Watch
