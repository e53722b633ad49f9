-- core/status.lua: the facts of a status, by its name, read once from the table in
-- runtime/status.c. Used by replies, errors and every policy that decides.

local ffi = require "ffi"
local C = require("weir.ffi").C

local Status = {
  names = {},   -- by number
  number = {},  -- by name: the order of "worse", also called rank
  class = {},   -- by name: "good", "miss" (miss, rejected) or "error"
  retry = {},   -- by name: "no", "idempotent" (maybe applied) or "any"
  applied = {}, -- by name: "no", "yes" or "maybe"
}

local CLASS = {
  [C.WEIR_CLASS_GOOD] = "good", [C.WEIR_CLASS_MISS] = "miss",
  [C.WEIR_CLASS_ERROR] = "error",
}
local RETRY = { [0] = "no", [1] = "idempotent", [2] = "any" }
local APPLIED = { [0] = "no", [1] = "yes", [2] = "maybe" }

-- The message of an error that has none of its own.
local PHRASE = {
  ok = "done",
  miss = "no such key",
  rejected = "not admitted",
  skipped = "not sent",
  busy = "too much in flight",
  unavailable = "not connected",
  timeout = "no answer in time",
  reset = "the session broke",
  failed = "the backend answered an error",
  nospace = "out of space",
  toobig = "the value is too big",
  denied = "not allowed",
  unsupported = "not something this store can do",
  corrupt = "length or checksum is wrong",
  invalid = "bad key or value",
}


for number = 1, tonumber(C.WEIR_STATUSES) - 1 do
  local info = C.weir_status_info(number)
  if info ~= nil then
    local name = ffi.string(info.name)
    Status.names[number] = name
    Status.number[name] = number
    Status.class[name] = CLASS[info.klass]
    Status.retry[name] = RETRY[info.retry]
    Status.applied[name] = APPLIED[info.applied]
  end
end

Status.rank = Status.number


--- A few words for people about a status.
---@param name string
---@return string
function Status.phrase(name)
  return PHRASE[name] or name
end


return Status
