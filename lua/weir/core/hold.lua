-- core/hold.lua: tells when a Lua object has been collected, without a finalizer on it.
-- A finalizer costs 250 ns and more for each object, most of it in the collector; this
-- costs 50. An object gets a slot of a ledger and stands there in a weak table. After a
-- collection the slots that lost their objects are swept, a few with each slot that is
-- taken, so no call pays for what a million calls before it left. A table by slot grows
-- in pieces of a fixed size: a whole one of 32 K slots that doubled took a millisecond,
-- within one get. Used by value.lua and room.lua for memory of C.

local bit = require "bit"
local ffi = require "ffi"

local new_table = require "table.new"
local band, rshift = bit.band, bit.rshift

-- A sweep has looked at the slots up to `at` and ends at `last`. due: a collection came
-- after it had begun.
local State = ffi.typeof [[
struct { uint32_t top, n_free, size, at, last, due, sweeping; }
]]
local Slots = ffi.typeof "uint32_t[?]"

local Hold = {}

-- Slots of a piece.
local BITS = 10
local PIECE = 2 ^ BITS
Hold.PIECE = PIECE

-- Slots that are looked at when one is taken, and at the end of a collection if the
-- sweep after the last one has not ended, since few slots or none are taken.
local SLICE, LARGE_SLICE = 64, 16384

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


--- Where a slot stands in a list of pieces: which piece, and the place in it, both from
--- 0.
---@return integer piece, integer place
function Hold.place(slot)
  return rshift(slot, BITS), band(slot, PIECE - 1)
end

local place_of = Hold.place


--- Makes a ledger. release(slot) frees what the object of a slot held. It is called
--- once for each slot, by a sweep or by drop. Returns three functions: slot() takes a
--- slot, a number from 1 on; keep(slot, object) enters its object; drop(slot) frees it
--- early.
function Hold.ledger(release)
  -- In C memory, since a finalizer may change it at any point of the program.
  local state = State(0, 0, PIECE)
  local free = Slots(state.size)
  local objects = {} -- by piece, by place

  local function put_back(slot)
    free[state.n_free] = slot
    state.n_free = state.n_free + 1
  end

  local function must_sweep()
    return state.at < state.last or state.due == 1
  end

  -- Looks at the next slots, `most` of them. An entry is false: the slot is taken and
  -- has no object yet; nil: its object was collected.
  local function sweep(most)
    if state.at == state.last then
      state.at, state.last, state.due = 0, state.top, 0
    end
    local from, to = state.at + 1, math.min(state.at + most, state.last)
    state.sweeping = 1
    for slot = from, to do
      local piece, place = place_of(slot)
      -- `== nil` would call the cdata's own comparison.
      if type(objects[piece][place]) == "nil" then
        objects[piece][place] = false
        release(slot)
        put_back(slot)
      end
    end
    state.at, state.sweeping = to, 0
  end

  local function grow()
    local more = Slots(2 * state.size)
    ffi.copy(more, free, state.size * ffi.sizeof "uint32_t")
    free, state.size = more, 2 * state.size
  end

  local function new_slot()
    local slot = state.top + 1
    if slot == state.size then grow() end
    local piece, place = place_of(slot)
    if not objects[piece] then
      objects[piece] = setmetatable(new_table(PIECE - 1, 0), WEAK)
    end
    objects[piece][place] = false
    state.top = slot
    return slot
  end

  local function slot()
    if must_sweep() then sweep(SLICE) end
    if state.n_free == 0 then return new_slot() end
    state.n_free = state.n_free - 1
    return free[state.n_free]
  end

  local function keep(at, object)
    local piece, place = place_of(at)
    objects[piece][place] = object
  end

  local function drop(at)
    local piece, place = place_of(at)
    objects[piece][place] = false
    release(at)
    put_back(at)
  end

  ledgers[#ledgers + 1] = function()
    if must_sweep() and state.sweeping == 0 then sweep(LARGE_SLICE) end
    state.due = 1
  end
  return slot, keep, drop
end


watch_collections()


return Hold
