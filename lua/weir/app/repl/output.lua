-- app/repl/output.lua: the output of a session: results in the format chosen, errors,
-- remarks, the time of an evaluation. In colour on a terminal, unless NO_COLOR is set.
local Error = require "weir.core.error"
local Exit = require "weir.app.exit"
local Json = require "weir.app.show.json"
local Literal = require "weir.app.show.literal"
local Quantity = require "weir.core.quantity"
local Reply = require "weir.core.reply"
local Result = require "weir.app.show.result"
local Value = require "weir.core.value"

---@class weir.Output
---@field format "table"|"json"|"raw"
---@field time boolean show how long an evaluation took
local Output = {}
Output.__index = Output

Output.FORMATS = { "table", "json", "raw" }

local RED, YELLOW, DIM, PLAIN = "\27[31m", "\27[33m", "\27[2m", "\27[m"

-- Raw bytes for a terminal are cut here: more cannot be read, and may harm it.
local RAW_MOST = 4096


--- An output over the input of a session, which also writes lines. A script's errors
--- and remarks go to stderr.
---@param input table editor.lua's or script.lua's
---@param interactive boolean
---@return weir.Output
function Output.new(input, interactive)
  local wanted = os.getenv "NO_COLOR"
  return setmetatable({
    input = input, interactive = interactive, format = "table", time = false,
    colored = interactive and (wanted == nil or wanted == ""),
  }, Output)
end


--- Writes a line of the result.
function Output:print(text)
  self.input:print(text)
end


local function aside(self, color, text)
  if not self.interactive then
    io.stdout:flush()
    return Exit.complain(text)
  end
  text = Literal.harmless(text)
  self:print(self.colored and color .. text .. PLAIN or text)
end


--- Writes an error.
function Output:fail(text)
  aside(self, RED, self.interactive and "error: " .. text or text)
end


--- Says something that is no part of a result.
function Output:remark(text)
  aside(self, YELLOW, text)
end


local function raw(self, x)
  if type(x) ~= "string" and not Value.is(x) then return Result.text(x) end
  if self.interactive and #x > RAW_MOST then
    self:remark(("the first %s of %s"):format(Quantity.bytes(RAW_MOST),
      Quantity.bytes(#x)))
    return x:sub(1, RAW_MOST)
  end
  return tostring(x)
end


--- One result as text.
function Output:text(x)
  if self.format == "json" then return Json.encode(x) end
  if self.format == "raw" then return raw(self, x) end
  return Result.text(x)
end


local function code_of(x)
  return getmetatable(x) == Reply and x:any "error" and Exit.ERROR or Exit.OK
end


--- Shows the results of an evaluation. Returns the exit code for them.
---@param results table with n
---@return integer code
function Output:results(results)
  local err = results[2]
  if not results[1] and Error.is(err) then
    if self.format == "json" then self:print(Json.encode(err)) end
    self:fail(err.code .. ": " .. tostring(err))
    return Exit.ERROR
  end
  local code = Exit.OK
  for i = 1, results.n do
    self:print(self:text(results[i]))
    code = Exit.worst(code, code_of(results[i]))
  end
  return code
end


--- Shows the results of the background job n, as results does.
---@return integer code
function Output:job(n, result, err)
  local failed = not result and Error.is(err)
  if self.format == "json" then
    local shown = failed and err or result
    self:print(('{"job":%d,"result":%s}'):format(n, Json.encode(shown)))
  elseif not failed then
    self:print(("[%d] %s"):format(n, self:text(result)))
  end
  if not failed then return code_of(result) end
  self:fail(("[%d] %s"):format(n, tostring(err)))
  return Exit.ERROR
end


--- Shows how long it took and, of a single read, which level answered.
---@param seconds number
---@param level integer?
function Output:took(seconds, level)
  aside(self, DIM, Quantity.time(seconds) .. (level and ", level " .. level or ""))
end


-- One of the things that print writes. A string that a script prints is meant.
local function printed(self, x)
  local bytes = Value.is(x) or self.interactive and type(x) == "string"
  if bytes and #x > RAW_MOST then return Result.text(x) end
  return self.interactive and Literal.harmless(tostring(x)) or tostring(x)
end


--- Replaces Lua's print: the text does not spill over the screen or harm it.
function Output:printed(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = printed(self, (select(i, ...))) end
  self:print(table.concat(parts, "\t"))
end


return Output
