-- byop { get = near, set = far, default = far }: sends each op to its own store, as
-- mcrouter's OperationSelectorRoute. Ops without a store of their own go to default. If
-- there is no default they are unsupported. A scan without a store of its own goes to
-- the store of get. A batch is never split.

local Arguments = require "weir.policy.shared.arguments"
local Ffi = require "weir.ffi"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Reply = require "weir.core.reply"

local Byop = Node.word "byop"

Byop.HELP = "Each op goes to the store that is named for it, or to default."
Byop.EXAMPLE = "byop { get = near, default = far }"
Byop.OPTIONS = {}

local NOWHERE = "byop: no store for %s, and no default"

local LABELS = { unpack(Op.list) }
LABELS[#LABELS + 1] = "default"


function Byop.new(given)
  if type(given) ~= "table" or not next(given) then
    error("byop: takes a table of stores by op, such as { get = a, default = b }", 0)
  end
  local children = {}
  for op, store in pairs(given) do
    if not Op.number[op] and op ~= "default" then
      error(("byop: there is no op %s%s"):format(Arguments.show(op),
        Ffi.suggest(op, LABELS)), 0)
    end
    children[op] = Arguments.store("byop", op, store)
  end
  return Byop:node { children = children }
end


-- A scan lists the keys that a get finds.
local function store_for(self, op)
  local children = self.children
  return children[op] or op == "scan" and children.get or children.default
end


function Byop:answer(req)
  local child = store_for(self, req.op)
  if child then return child:run(req) end
  return Reply.uniform(req, "unsupported",
    NOWHERE:format(req.op), self.name)
end


function Byop:plan(op)
  local own = self.children[op]
  if own then return op .. " has a store of its own", { own } end
  local other = store_for(self, op)
  if not other then return NOWHERE:format(op), {} end
  local default = other == self.children.default
  return default and "default" or "lists what get finds", { other }
end


return Byop
