-- app/explore/view.lua: the output of a command: lines for people or objects for
-- programs. The command line and the session each make a view. Commands write to
-- nothing else.
local Columns = require "weir.app.show.columns"
local Host = require "weir.host"
local Json = require "weir.app.show.json"
local Literal = require "weir.app.show.literal"
local Progress = require "weir.app.show.progress"
local Quantity = require "weir.core.quantity"

---@class weir.View
---@field json boolean  objects, one a line, are wanted instead of lines
---@field quiet boolean no progress is shown
local View = {}
View.__index = View


--- A view that writes lines with print(text), and remarks with remark(text).
---@param fields { print: fun(text: string), remark: fun(text: string), json: boolean? }
---@return weir.View
function View.new(fields)
  return setmetatable(fields, View)
end


--- Writes a line for people.
function View:line(format, ...)
  if not self.json then self.print(Literal.harmless(format:format(...))) end
end


--- Writes an object for programs.
function View:object(object)
  if self.json then self.print(Json.encode(object)) end
end


--- Writes rows that line up, for people.
---@param rows string[][]
---@param align string?
function View:table(rows, align)
  if self.json then return end
  for _, line in ipairs(Columns.lines(rows, align)) do
    self.print(Literal.harmless(line))
  end
end


--- Writes a remark, which is no part of the result.
function View:note(format, ...)
  self.remark(format:format(...))
end


--- Says that a walk stopped at its limit. A session offers to go on with on().
function View:stopped(limit, on)
  if self.later then self.later(on) end
  self:note("stopped after %s%s", Quantity.things(limit, "key"),
    self.later and "; .more goes on" or "")
end


--- Runs long work: fn(tell), where tell(describe) shows now and then what describe()
--- returns. The line is gone afterwards, however the work ends.
---@param fn fun(tell: fun(describe: fun(): string))
function View:long(fn)
  if self.quiet then return fn(function() end) end
  local progress = Progress.new(Host.now)
  local fine, err = pcall(fn, function(describe) progress:tell(describe) end)
  progress:close()
  if not fine then error(err, 0) end
end


return View
