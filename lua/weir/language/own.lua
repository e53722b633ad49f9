-- language/own.lua: weir.policy { children =, run = }: a node of a user's function. A
-- scan goes to scan = function(self, request), or to run if there is at most one child.

local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Blame = require "weir.core.blame"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Page = require "weir.policy.shared.scan_page"
local Reply = require "weir.core.reply"

local Custom = Node.word "policy"

local function several(children)
  local first = next(children)
  return first ~= nil and next(children, first) ~= nil
end


-- With several children, a run that was written for keys would list the keys of one
-- child only. So a scan needs a function of its own.
local function scan(self, req)
  if self.scans then return self.scans(self, req) end
  if not several(self.children) then return self.custom(self, req) end
  return Reply.uniform(req, "unsupported", self.name .. ": a policy over several "
    .. "stores lists keys only if it has scan, a function like run", self.name)
end


-- Whoever lists keys trusts the pages.
local function check_page(self, reply)
  if reply[1] ~= "ok" or Page.is_page(reply:value(1)) then return end
  error(('%s: %s answered a scan with something that is no page of keys; pass it to a '
    .. 'store, or answer "unsupported"'):format(self.name,
    self.scans and "scan" or "run"), 0)
end


function Custom:answer(req)
  local refused = Op.atomic[req.op] and Atomic.refuse(self, req)
  if refused then return refused end
  local is_scan = req.op == "scan"
  local reply = is_scan and scan(self, req) or not is_scan and self.custom(self, req)
  if getmetatable(reply) ~= Reply or reply.n ~= req.n then
    error(("%s: %s must return a reply of %d slots"):format(self.name,
      is_scan and self.scans and "scan" or "run", req.n), 0)
  end
  if is_scan then check_page(self, reply) end
  return reply
end


--- A run over several stores was written for ops that may be done twice.
function Custom:refuses()
  return several(self.children) and Atomic.SEVERAL or nil
end


Custom.HELP = "A word of your own: a store made of a function from request to reply."
Custom.EXAMPLE = "policy { children = { a }, run = function(self, req) ... end }"
Custom.OPTIONS = {
  { "run", is = "callable", required = "run, a function (self, request) -> reply",
    type = "fun(self: weir.Node, req: weir.Request): weir.Reply",
    help = "answers a request" },
  { "children", is = "list", type = "table", default = {},
    help = "the stores that run uses, by position or by name" },
  { "name", is = "name", default = "policy",
    help = "the name in paths and in errors" },
  { "scan", is = "callable",
    type = "fun(self: weir.Node, req: weir.Request): weir.Reply",
    help = "answers a scan; a policy over one store needs none" },
  { "plan", is = "callable", type = "fun(self: weir.Node, op: string, key: string)",
    help = "says for explain which way a key would go: a sentence, the stores" },
  { "bounded", is = "boolean", default = false,
    help = "whether run returns by the request's deadline" },
  { "immediate", is = "boolean", default = false,
    help = "whether run never waits" },
}


local function read(fields)
  if type(fields) ~= "table" then
    error("policy: takes a table with run, not " .. Arguments.show(fields), 0)
  end
  local given = Arguments.read("policy", Custom.OPTIONS, nil, fields)
  for label, child in pairs(given.children) do
    Arguments.store("policy", "child " .. tostring(label), child)
  end
  -- A node has a run of its own, and scan is a verb of every store.
  given.custom, given.scans, given.run, given.scan = given.run, given.scan, nil, nil
  given.title = given.name
  return given
end


--- Makes a store of a function: run(self, request) -> reply.
---@param fields { run: function, children: table?, name: string?, scan: function?,
---  plan: function? }
---@return weir.Store
function Custom.new(fields)
  local ok, given = pcall(read, fields)
  if not ok then error(Blame.placed(given, "policy"), 0) end
  return Custom:node(given)
end


return Custom
