-- parts/custom.lua: weir.policy { children =, run = }: a node of one's own.

local Arguments = require "weir.parts.arguments"
local Policy = require "weir.policy"
local Reply = require "weir.reply"
local Store = require "weir.store"

local Custom = Policy.word "policy"

function Custom:answer(req)
  local reply = self.custom(self, req)
  if getmetatable(reply) ~= Reply or reply.n ~= req.n then
    error(("%s: run must return a reply of %d slots"):format(self.name, req.n), 0)
  end
  return reply
end


local CUSTOM = {
  { "custom", is = "callable", required = "run, a function (self, request) -> reply" },
  { "children", is = "list", default = {} },
  { "name", is = "name", default = "policy" },
  { "plan", is = "callable" },
  { "bounded", is = "boolean", default = false },
  { "immediate", is = "boolean", default = false },
}


--- Makes a store of a function: run(self, request) -> reply.
---@param fields { run: function, children: table?, name: string?, plan: function? }
---@return weir.Store
function Custom.new(fields)
  if type(fields) ~= "table" then
    error("policy takes a table with run, not " .. Arguments.show(fields), 2)
  end
  local named = { custom = fields.run }
  for name, value in pairs(fields) do
    if name ~= "run" then named[name] = value end
  end
  local ok, given = pcall(Arguments.read, "policy", CUSTOM, named)
  if not ok then error(given, 2) end
  given.title = given.name
  for label, child in pairs(given.children) do
    if not Store.is(child) then
      error(("policy: child %s is a store, not %s"):format(tostring(label),
        Arguments.show(child)), 2)
    end
  end
  return Custom:node(given)
end


return Custom
