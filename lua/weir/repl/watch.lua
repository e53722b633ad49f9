-- watch.lua: an expression evaluated again and again, shown when its result
-- changes; behind .watch and `weir watch`.
local Error = require "weir.error"
local Evaluate = require "weir.repl.evaluate"
local Host = require "weir.host"
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


local function text_of(session, fine, result, err)
  if not fine then
    if result == Host.KILLED then error(result, 0) end
    return "error: " .. tostring(result)
  end
  if result == nil and Error.is(err) then return "error: " .. tostring(err) end
  return session.output:text(result)
end


--- Evaluates and shows, `times` times or for ever.
---@param times integer?
function Watch.run(session, chunk, seconds, times)
  local last
  for i = 1, times or math.huge do
    local text = text_of(session, pcall(chunk))
    if text ~= last then
      session.output:print(os.date "%H:%M:%S  " .. text)
      last = text
    end
    if i ~= times then Host.sleep(seconds) end
  end
end


return Watch
