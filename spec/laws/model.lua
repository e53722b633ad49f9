-- laws/model.lua: what a fresh tree must answer, said a second time and in the
-- plainest way: for one key, from the descriptions of laws/tree.lua alone. Answers
-- are "good", "miss" or "error" (laws 4 and 6).

local Chance = require "weir.policy.shared.chance"
local Order = require "weir.policy.failover.order"
local status = require "weir.core.status"

local Model = {}

local READS = { get = true, exists = true, stat = true }

local expect


local function leaf(desc, op, key)
  if desc.origin then
    if not READS[op] or op == "stat" then return "error" end
    op = "get" -- of the store that its function reads
  end
  local fault = desc.faults[op .. " " .. key]
  if fault then return status.class[fault] end
  if op == "set" then return "good" end
  return desc.data[key] and "good" or "miss"
end


local function all(desc, op, key, size, prefix)
  local list = {}
  for i, kid in ipairs(desc.kids) do list[i] = expect(kid, op, key, size, prefix) end
  return list
end


local function has(list, class)
  for _, c in ipairs(list) do
    if c == class then return true end
  end
  return false
end


-- A read is good if anybody has it, a miss only if everybody asked says so.
local function best(list)
  return has(list, "good") and "good" or has(list, "error") and "error" or "miss"
end


-- A write is an error if any copy is one; a delete found what any copy had.
local function worst(list)
  return has(list, "error") and "error" or has(list, "good") and "good" or "miss"
end


local function in_turn(list, goes_on_after_miss)
  local failed = false
  for _, class in ipairs(list) do
    if class == "good" then return "good" end
    failed = failed or class == "error"
    if class == "miss" and not failed and not goes_on_after_miss then break end
  end
  return failed and "error" or "miss"
end


local ORDER = { good = 1, miss = 2, error = 3 }

local function kth_best(list, k)
  local sorted = { unpack(list) }
  table.sort(sorted, function(a, b) return ORDER[a] < ORDER[b] end)
  local class = sorted[k]
  return class == "miss" and sorted[1] or class
end


local WORDS = {}

function WORDS.tier(desc, op, key, size, prefix)
  local list = all(desc, op, key, size, prefix)
  if op == "delete" then return worst(list) end
  if op == "set" then return list[#list] end
  return has(list, "good") and "good" or list[#list]
end

function WORDS.route(desc, op, key, size, prefix)
  local full = prefix .. key
  local kids, first = desc.kids, full:sub(1, 1)
  local at = first == "a" and 1 or first == "b" and #kids or 2
  return expect(kids[at], op, key, size, prefix)
end

function WORDS.shard(desc, op, key, size, prefix)
  local copies = desc.node.placement:owners(
    desc.node.part and desc.node.part(prefix .. key) or prefix .. key,
    desc.params.replicas)
  local list = {}
  for i, at in ipairs(copies) do
    list[i] = expect(desc.kids[at], op, key, size, prefix)
  end
  return READS[op] and in_turn(list) or worst(list)
end

function WORDS.mirror(desc, op, key, size, prefix)
  local list, ack = all(desc, op, key, size, prefix), desc.params.ack
  if READS[op] then return best(list) end
  if ack == "all" then return worst(list) end
  return kth_best(list, ack == "first" and 1 or ack)
end

function WORDS.failover(desc, op, key, size, prefix)
  local list = all(desc, op, key, size, prefix)
  if op == "delete" then return worst(list) end
  local tried = {}
  for turn, at in ipairs(Order.of(desc.node, prefix .. key)) do
    if turn <= desc.params.max then tried[turn] = list[at] end
  end
  return in_turn(tried, desc.params.on == "miss" and READS[op])
end

function WORDS.bysize(desc, op, key, size, prefix)
  local list = all(desc, op, key, size, prefix)
  if op == "delete" then return worst(list) end
  if READS[op] then return best(list) end
  for i = 1, #desc.kids do
    if i == #desc.kids or size <= 2 * i then return list[i] end
  end
end

-- It holds its values itself.
function WORDS.quota(_, op)
  return op == "set" and "good" or "miss"
end

function WORDS.pin(desc, op, key, size, prefix)
  if key:match "a%d$" then return op == "set" and "good" or "miss" end
  return expect(desc.kids[1], op, key, size, prefix)
end

function WORDS.percent(desc, op, key, size, prefix)
  local x = Chance.of(prefix .. key, 1)
  for i, kid in ipairs(desc.kids) do
    if x < 0.4 * i or i == #desc.kids then return expect(kid, op, key, size, prefix) end
  end
end

function WORDS.warmup(desc, op, key, size, prefix)
  local list = all(desc, op, key, size, prefix)
  if op == "set" then return list[1] end
  return READS[op] and best(list) or worst(list)
end

function WORDS.migrate(desc, op, key, size, prefix)
  local list, at = all(desc, op, key, size, prefix), desc.params.at
  local here = at > 0 and 1 or 2
  if op == "delete" and math.abs(at) < 1e6 then return worst(list) end
  return list[here]
end

function WORDS.prefix(desc, op, key, size, prefix)
  return expect(desc.kids[1], op, key, size, "p/" .. prefix)
end

-- A coded value has a head. These are too small to be compressed.
function WORDS.compress(desc, op, key, size, prefix)
  return expect(desc.kids[1], op, key, size + 16, prefix)
end

function WORDS.checksum(desc, op, key, size, prefix)
  return expect(desc.kids[1], op, key, size + 24, prefix)
end

-- What may be a head is read, also where its size is not told. Here all are as small.
function WORDS.chunk(desc, op, key, size, prefix)
  local kid = desc.kids[1]
  if op == "exists" or op == "stat" then
    local found = expect(kid, "stat", key, size, prefix)
    return found == "miss" and found or expect(kid, "get", key, size, prefix)
  end
  return expect(kid, op, key, size + 16, prefix)
end

function WORDS.readonly(desc, op, key, size, prefix)
  if not READS[op] then return "error" end
  return expect(desc.kids[1], op, key, size, prefix)
end

-- A delete that fails is kept, if another attempt may help (Model.open).
function WORDS.spool(desc, op, key, size, prefix)
  local class = expect(desc.kids[1], op, key, size, prefix)
  return op == "delete" and class == "error" and "good" or class
end

function WORDS.fault(desc, op, key, size, prefix)
  if Chance.of(prefix .. key, 7, 1) < 0.2 then return "error" end
  return expect(desc.kids[1], op, key, size, prefix)
end


function expect(desc, op, key, size, prefix)
  if desc.leaf then return leaf(desc, op, key) end
  local word = WORDS[desc.word]
  if word then return word(desc, op, key, size, prefix) end
  return expect(desc.kids[1], op, key, size, prefix)
end


-- Whether a delete may fail below for good. Then a spool above may not keep it.
local function hopeless(desc, key)
  if desc.leaf then
    return desc.origin or desc.faults["delete " .. key] == "denied"
  end
  if desc.word == "readonly" then return true end
  for _, kid in ipairs(desc.kids) do
    if hopeless(kid, key) then return true end
  end
  return false
end


local function has_spool_over(desc, key)
  if desc.word == "spool" and hopeless(desc, key) then return true end
  for _, kid in ipairs(desc.kids or {}) do
    if has_spool_over(kid, key) then return true end
  end
  return false
end


--- The class of the answer of a fresh tree to one op on one key; nil: the model does
--- not know which of two errors a spool sees.
function Model.expect(desc, op, key, size)
  if op == "delete" and has_spool_over(desc, key) then return nil end
  return expect(desc, op, key, size or 0, "")
end


return Model
