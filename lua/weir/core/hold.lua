-- core/hold.lua: tells when a Lua object has been collected, without a finalizer on it.
-- A finalizer costs 250 ns and more for each object, most of it in the collector; this
-- costs 50. An object gets a slot of a ledger and stands there in a weak table. After a
-- collection the slots that lost their objects are swept. Used by value.lua and
-- room.lua for memory of C.

local ffi = require "ffi"

local State = ffi.typeof "struct { uint32_t top, n_free, size, due, sweeping; }"
local Slots = ffi.typeof "uint32_t[?]"

local Hold = {}

local ledgers = {}


-- Makes a cdata that nothing refers to. Its finalizer runs at the end of each
-- collection. A ledger in which no slots are taken any more is swept one collection
-- later.
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

  -- An entry is false: the slot is taken and has no object yet; nil: its object was
  -- collected.
  local function sweep()
    state.due, state.sweeping = 0, 1
    for slot = 1, state.top do
      -- `== nil` would call the cdata's own comparison.
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
