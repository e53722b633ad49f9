-- app/cli/outcome.lua: prints the result of each key of a batch, for the subcommands.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Json = require "weir.app.show.json"
local status = require "weir.core.status"

local Outcome = {}


local function code_of(name)
  if status.class[name] == "good" then return Exit.OK end
  return status.class[name] == "error" and Exit.ERROR or Exit.MISS
end


local function complain(key, reply, i)
  local why = reply:error(i) or "no such key"
  Exit.complain(("%s: %s"):format(Bytes.escape(key), tostring(why)))
end


local function json(key, reply, i, fill)
  local object = Bytes.put({ status = reply[i] }, "key", key)
  local err = reply:error(i)
  if err then
    object.error = tostring(err)
  elseif fill then
    fill(object, i)
  end
  print(Json.encode(object))
end


--- Prints the slots in order. show(i) shows a good one, the others are written to
--- stderr. With --json each is a line, and fill(object, i) adds to those without an
--- error. Returns the exit code.
---@param args table with json
---@param keys string[]
---@param reply weir.Reply
---@param show? fun(i: integer)
---@param fill? fun(object: table, i: integer)
---@return integer
function Outcome.each(args, keys, reply, show, fill)
  local code = Exit.OK
  for i, key in ipairs(keys) do
    local this = code_of(reply[i])
    code = Exit.worst(code, this)
    if args.json then
      json(key, reply, i, fill)
    elseif this ~= Exit.OK then
      complain(key, reply, i)
    elseif show then
      show(i)
    end
  end
  return code
end


return Outcome
