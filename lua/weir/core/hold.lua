-- core/hold.lua: tells when a Lua object has been collected, without a finalizer on it.
-- A finalizer costs 250 ns and more for each object, most of it in the collector; this
-- costs 30. Used by value.lua and room.lua for memory of C.
--
-- An object gets a slot of a ledger and stands there in a weak table. The slots are in
-- banks of a fixed size. A ledger takes slots of one bank until none is free, and then
-- turns to another bank, where it first frees the slots whose objects were collected.
-- So a call frees the slots of a few banks, however many objects were collected. And
-- the ledger grows by banks, without copying: when there was one table, its growth from
-- 32 K slots took a millisecond within one get. The end of a collection frees slots,
-- too, for programs that take no more.
--
-- The way of an object has no loop: LuaJIT ends compiled code before one, and makes
-- objects of the pointers that it has in registers.

local bit = require "bit"
local ffi = require "ffi"

local new_table = require "table.new"
local band, rshift = bit.band, bit.rshift

local Hold = {}

-- Slots of a bank.
local BITS = 8
Hold.SLOTS = 2 ^ BITS

local SLOTS = Hold.SLOTS

-- A ledger turns to a bank with so many free slots.
local ENOUGH = SLOTS / 4

-- Banks that are swept at most before a new one is made, and after a collection.
local LOOKS, LOOKS_AT_END = 8, 32

-- The free slots of a bank. The last entry is their number.
local Free = ffi.typeof("uint16_t[$]", SLOTS + 1)

-- How many collections there were. The banks that were looked at last to turn to one,
-- and at the end of a collection.
local State = ffi.typeof "struct { uint32_t collections, turned, ended; }"

local WEAK = { __mode = "v" }

local ledgers = {}


-- Makes a cdata that nothing refers to. Its finalizer runs at the end of each
-- collection.
local function watch_collections()
  ffi.gc(ffi.new "char[1]", function()
    for i = 1, #ledgers do ledgers[i]() end
    watch_collections()
  end)
end


-- A bank whose slots are all free. An entry of `objects` is false: the slot is free;
-- nil: its object was collected. swept: the collections when that was looked for.
-- first: the number of its first slot, once it is in a ledger.
local function make_bank(kept, collections)
  local objects, free = new_table(SLOTS - 1, 0), Free()
  for index = 0, SLOTS - 1 do
    objects[index], free[index] = false, SLOTS - 1 - index
  end
  free[SLOTS] = SLOTS
  return {
    first = 0, kept = kept, free = free, swept = collections,
    objects = setmetatable(objects, WEAK),
  }
end


--- Makes a ledger. Each object holds a thing, such as memory of C. make() returns the
--- list for the things of a bank, with Hold.SLOTS places from index 0 on.
--- release(list, index) frees a thing. It is called once for each slot, by a sweep or
--- by drop. Returns two functions:
---   enter(object)  takes a slot. Returns a list, an index and the number of the slot.
---                  The caller puts the object's thing into the list at the index.
---   drop(slot)     frees a slot early.
function Hold.ledger(make, release)
  -- A finalizer may sweep, or enter objects of its own, wherever Lua allocates.
  local state = State()
  local banks = { make_bank(make(), 0) }
  local first, objects, kept, free = 0, banks[1].objects, banks[1].kept, banks[1].free

  local function put_back(bank, index)
    bank.objects[index] = false
    release(bank.kept, index)
    local spare = bank.free
    local n = spare[SLOTS]
    spare[n], spare[SLOTS] = index, n + 1
  end

  -- Frees the slots whose objects were collected, once after each collection.
  local function sweep(bank)
    if bank.swept == state.collections then return end
    bank.swept = state.collections
    if bank.free[SLOTS] == SLOTS then return end
    local entries = bank.objects
    for index = 0, SLOTS - 1 do
      -- `== nil` would call the cdata's own comparison.
      if type(entries[index]) == "nil" then put_back(bank, index) end
    end
  end

  -- The next bank with free slots. Makes one if there is none among the next few.
  local function find()
    local n = #banks
    for _ = 1, math.min(n, LOOKS) do
      state.turned = state.turned % n + 1
      local bank = banks[state.turned]
      sweep(bank)
      if bank.free[SLOTS] >= ENOUGH then return bank end
    end
    local bank = make_bank(make(), state.collections)
    -- There may be more banks now. From here on nothing is allocated.
    n = #banks
    bank.first, banks[n + 1] = n * SLOTS, bank
    return bank
  end

  local function turn()
    local bank = find()
    first, objects, kept, free = bank.first, bank.objects, bank.kept, bank.free
  end
  jit.off(turn) -- or each caller's loop is compiled once more, around this call

  local function enter(object)
    if free[SLOTS] == 0 then turn() end
    local n = free[SLOTS] - 1
    local index = free[n]
    free[SLOTS] = n
    objects[index] = object
    return kept, index, first + index
  end

  local function drop(slot)
    put_back(banks[rshift(slot, BITS) + 1], band(slot, SLOTS - 1))
  end

  ledgers[#ledgers + 1] = function()
    local n = #banks
    state.collections = state.collections + 1
    for _ = 1, math.min(n, LOOKS_AT_END) do
      state.ended = state.ended % n + 1
      sweep(banks[state.ended])
    end
  end
  return enter, drop
end


watch_collections()


return Hold
