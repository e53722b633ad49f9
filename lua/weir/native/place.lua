-- native/place.lua: where a C store says that a key is: the node of a cluster. Used by
-- native.lua.

local ffi = require "ffi"
local C = require("weir.ffi").C

local answer = ffi.new "struct weir_value *[1]"
local ANSWER_NS = 2e8 -- to wait for the answer

local Place = {}


--- What a store says to "explain OP KEY", if that is one line. Else nil.
function Place.of(handle, op, key)
  if key:find "%z" then return nil end
  local words = ("explain %s %s"):format(op, key)
  if C.weir_ask(handle, words, C.weir_now() + ANSWER_NS, answer, nil) ~= 0 then
    return nil
  end
  local text = ffi.string(answer[0].data, answer[0].size)
  C.weir_value_unref(answer[0])
  return not text:find "\n" and text or nil
end


return Place
