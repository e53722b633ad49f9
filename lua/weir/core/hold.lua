-- core/hold.lua: tells when a Lua object has been collected without a finalizer on it,
-- which would cost 250 ns and more each, most of it in the collector; this costs
-- 50. An object takes a slot of a ledger and stands there in a weak table; after
-- a collection the slots that lost theirs are swept. Used by value.lua and
-- reply.lua, for what they hold in C.

local ffi = require "ffi"

local State = ffi.typeof "struct { uint32_t top, n_free, size, due, sweeping; }"
local Slots = ffi.typeof "uint32_t[?]"

local Hold = {}

local ledgers = {}


-- A cdata that nobody holds: its finalizer runs at the end of each collection.
-- Where nobody takes slots any more, it sweeps itself, one collection later.
local function watch_collections()
  ffi.gc(ffi.new "char[1]", function()
    for i = 1, #ledgers do ledgers[i]() end
    watch_collections()
  end)
end


--- Makes a ledger. release(slot) gives back what the object of a slot held; it is
--- called once for each slot taken, by a sweep or by drop. Returns slot(), which
--- takes one; keep(slot, object); drop(slot), for what is given back early.
function Hold.ledger(release)
  -- In C, since a finalizer changes it in the middle of whatever runs.
  local state = State(0, 0, 64)
  local free = Slots(state.size)
  local objects = setmetatable({}, { __mode = "v" })

  local function put_back(slot)
    free[state.n_free] = slot
    state.n_free = state.n_free + 1
  end

  -- false: taken, and without an object yet; nil: collected.
  local function sweep()
    state.due, state.sweeping = 0, 1
    for slot = 1, state.top do
      -- `== nil` would ask a cdata whether it equals nil.
      if type(objects[slot]) == "nil" then
        objects[slot] = false
        release(slot)
        put_back(slot)
      end
    end
    state.sweeping = 0
  end

  local function grow()
    local more = Slots(2 * state.size)
    ffi.copy(more, free, state.size * ffi.sizeof "uint32_t")
    free, state.size = more, 2 * state.size
  end

  local function slot()
    if state.due == 1 then sweep() end
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
    if state.due == 1 and state.sweeping == 0 then sweep() end
    state.due = 1
  end
  return slot, keep, drop
end


watch_collections()


return Hold
