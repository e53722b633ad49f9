-- core/hold.lua: tells when a Lua object has been collected, without a finalizer on it.
-- A finalizer costs 250 ns and more for each object, most of it in the collector; this
-- costs 50. An object gets a slot of a ledger and stands there in a weak table. After a
-- collection the slots that lost their objects are swept, a few with each slot that is
-- taken, so no call pays for what a million calls before it left. Used by value.lua and
-- room.lua for memory of C.

local ffi = require "ffi"

-- A sweep has looked at the slots up to `at` and ends at `last`. due: a collection came
-- after it had begun.
local State = ffi.typeof [[
struct { uint32_t top, n_free, size, at, last, due, sweeping; }
]]
local Slots = ffi.typeof "uint32_t[?]"

local Hold = {}

-- Slots that are looked at when one is taken, and at the end of a collection if the
-- sweep after the last one has not ended, since few slots or none are taken.
local SLICE, LARGE_SLICE = 64, 16384

local ledgers = {}


-- Makes a cdata that nothing refers to. Its finalizer runs at the end of each
-- collection.
local function watch_collections()
  ffi.gc(ffi.new "char[1]", function()
    for i = 1, #ledgers do ledgers[i]() end
    watch_collections()
  end)
end


--- Makes a ledger. release(slot) frees what the object of a slot held. It is called
--- once for each slot, by a sweep or by drop. Returns three functions: slot() takes a
--- slot; keep(slot, object) enters its object; drop(slot) frees it early.
function Hold.ledger(release)
  -- In C memory, since a finalizer may change it at any point of the program.
  local state = State(0, 0, 64)
  local free = Slots(state.size)
  local objects = setmetatable({}, { __mode = "v" })

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
      -- `== nil` would call the cdata's own comparison.
      if type(objects[slot]) == "nil" then
        objects[slot] = false
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

  local function slot()
    if must_sweep() then sweep(SLICE) end
    if state.n_free > 0 then
      state.n_free = state.n_free - 1
      return free[state.n_free]
    end
    if state.top == state.size then grow() end
    objects[state.top + 1] = false
    state.top = state.top + 1
    return state.top
  end

  local function keep(at, object)
    objects[at] = object
  end

  local function drop(at)
    objects[at] = false
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
