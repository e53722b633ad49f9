-- app/repl/watch.lua: evaluates an expression again and again and shows the result when
-- it changes, for .watch and `weir watch`.
local Evaluate = require "weir.app.repl.evaluate"
local Exit = require "weir.app.exit"
local Host = require "weir.host"
local Json = require "weir.app.show.json"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"

local Watch = {}


--- Compiles an expression, or raises a sentence that says what is wrong.
---@param text string
---@param env table
---@return function chunk
function Watch.compile(text, env)
  if not text:find "%S" then error("needs an expression", 0) end
  local chunk, why = Evaluate.compile(text, env)
  if why == "more" then why = "the expression ends too early: " .. text end
  return chunk or error(why, 0)
end


--- Splits "EXPR [s]". A last word that looks like a time is one only if the rest is an
--- expression.
---@return function chunk, number seconds
function Watch.parse(text, env)
  local expression, last = text:match "^(.*%S)%s+(%S+)$"
  local seconds = last and Quantity.seconds(last)
  local chunk = seconds and Evaluate.compile(expression, env)
  if chunk then return chunk, seconds end
  return Watch.compile(text, env), 1
end


-- The result of an evaluation, as text, and its exit code.
local function text_of(session, fine, result, err)
  if result == Host.KILLED then error(result, 0) end
  if fine and result ~= nil then return session.output:text(result), Exit.OK end
  if not fine then err = result end
  if err == nil then return session.output:text(nil), Exit.OK end
  local json = session.output.format == "json"
  return json and Json.encode { error = tostring(err) } or "error: " .. tostring(err),
    Exit.ERROR
end


local function show(session, text)
  if session.output.format == "json" then
    text = ('{"at":%d,"result":%s}'):format(os.time(), text)
  else
    text = os.date "%H:%M:%S  " .. Literal.harmless(text)
  end
  session.output:print(text)
end


--- Evaluates `times` times or for ever, and shows results that differ from the last.
---@param times integer?
---@return integer code of the last one
function Watch.run(session, chunk, seconds, times)
  local last, text, code
  for i = 1, times or math.huge do
    text, code = text_of(session, pcall(chunk))
    if text ~= last then show(session, text) end
    last = text
    if i ~= times then Host.sleep(seconds) end
  end
  return code
end


return Watch
