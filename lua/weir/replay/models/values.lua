-- replay/models/values.lua: values that have a size and no bytes of their own: all of
-- them point at the same zeros, for which the kernel gives no memory. One value for
-- each size, referred to by every entry of that size. Used by the models and the
-- engine.

local ffi = require "ffi"
local Ffi = require "weir.ffi"
local Value = require "weir.core.value"

local C = Ffi.C
local Libc = Ffi.system(nil, [[
void *weir_replay_mmap(void *, size_t, int, int, int, long) __asm__("mmap");
void weir_replay_free(void *) __asm__("free");
]])

local Values = {}

local PROT_READ, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE = 1, 0x02, 0x20, 0x4000
local MAP_FLAGS = bit.bor(MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE)

-- How many sizes are kept; a trace with more of them makes new values.
local MOST = 65536

local cached, n_cached = {}, 0
local zeros, room = nil, 0


-- Memory that reads as zeros. What is mapped stays: values may point at it.
local function zeros_of(size)
  if size <= room then return zeros end
  local wanted = math.max(2 ^ 20, 2 ^ math.ceil(math.log(size) / math.log(2)))
  local at = Libc.weir_replay_mmap(nil, wanted, PROT_READ, MAP_FLAGS, -1, 0)
  if ffi.cast("intptr_t", at) == -1 then
    error(("no address space for a value of %.0f bytes"):format(size), 0)
  end
  zeros, room = ffi.cast("const char *", at), wanted
  return zeros
end


-- The release makes the footprint of the value count its bytes; it frees nothing.
local function make(size)
  local pointer = C.weir_value_wrap(zeros_of(size), size, Libc.weir_replay_free, nil)
  if pointer == nil then error("out of memory", 0) end
  return Value.own(pointer)
end


--- A weir.Value of that size.
---@param size integer
---@return weir.Value
function Values.of(size)
  local value = cached[size]
  if value then return value end
  value = make(size)
  if n_cached < MOST then
    n_cached = n_cached + 1
    cached[size] = value
  end
  return value
end


return Values
