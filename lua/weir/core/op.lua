-- core/op.lua: the facts of an op, by its name, read once from the table in
-- runtime/op.c. Used by batches, the catalog, and every policy that treats ops
-- differently.

local ffi = require "ffi"
local C = require("weir.ffi").C

local Op = {
  list = {},       -- the names, in the order of their numbers
  names = {},      -- by number
  number = {},     -- by name
  reads = {},      -- by name, true or nil, as all that follow: changes nothing
  lookups = {},    -- a read of single keys: get, exists, stat, but not scan
  writes = {},     -- changes what the store holds
  idempotent = {}, -- done twice it leaves what it leaves done once
  sends = {},      -- each slot carries a value to the store
  returns = {},    -- each good slot carries a value back
  prefix = {},     -- a key is the beginning of keys; a page of keys comes back
  atomic = {},     -- its result depends on the value that is there
  numbers = {},    -- each good slot carries a number back
}

-- The facts of the table in C.
local FACTS = { "writes", "idempotent", "sends", "returns", "prefix", "atomic",
  "numbers" }


for number = 1, tonumber(C.WEIR_OPS) - 1 do
  local info = C.weir_op_info(number)
  if info ~= nil then
    local name = ffi.string(info.name)
    Op.list[#Op.list + 1] = name
    Op.names[number], Op.number[name] = name, number
    Op.reads[name] = info.writes == 0 or nil
    Op.lookups[name] = info.writes == 0 and info.prefix == 0 or nil
    for _, fact in ipairs(FACTS) do Op[fact][name] = info[fact] ~= 0 or nil end
  end
end


return Op
