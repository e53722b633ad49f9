-- byop { get = near, set = far, default = far }: sends each op to its own store, as
-- mcrouter's OperationSelectorRoute. Ops without a store of their own go to that of
-- their group, reads or writes, then to default. If there is none of these they are
-- unsupported. A scan without a store of its own goes to the store of get. A batch is
-- never split.

local Arguments = require "weir.policy.shared.arguments"
local Ffi = require "weir.ffi"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Reply = require "weir.core.reply"

local Byop = Node.word "byop"
Byop.REUSES = true

Byop.HELP = "Each op goes to the store that is named for it, for its group (reads, "
  .. "writes), or to default."
Byop.EXAMPLE = "byop { get = near, default = far }"
Byop.OPTIONS = {}

local NOWHERE = "byop: no store for %s, and no default"

local LABELS = { unpack(Op.list) }
for _, label in ipairs { "reads", "writes", "default" } do
  LABELS[#LABELS + 1] = label
end

local GROUPS = { reads = true, writes = true, default = true }


function Byop.new(given)
  if type(given) ~= "table" or not next(given) or type(given.run) == "function" then
    error("byop: takes a table of stores by op, such as { get = a, default = b }", 0)
  end
  local children = {}
  for op, store in pairs(given) do
    if not Op.number[op] and not GROUPS[op] then
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
  return children[op] or op == "scan" and children.get
    or children[Op.writes[op] and "writes" or "reads"] or children.default
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
  local group = Op.writes[op] and "writes" or "reads"
  if op == "scan" and other == self.children.get then
    return "lists what get finds", { other }
  end
  return other == self.children[group] and group or "default", { other }
end


return Byop
