-- serve/object.lua: MEMORY and OBJECT, as far as stores can tell: redis-cli --memkeys
-- and --hotkeys ask for them.

local Errors = require "weir.serve.errors"
local subcommands = require "weir.serve.subcommands"


-- What is known of the key that a command names third; nil: it was answered.
local function facts_of(call, name, least)
  if #call.args < least then
    call.out:error(subcommands.wrong_count(name, call.args[2]))
    return nil
  end
  local facts, err = call.server:root(call.db):stat(call.args[3])
  if facts then return facts end
  if err then call.out:error(Errors.text(err)) else call.out:null() end
end


local Memory, Object = {}, {}

--- The bytes of a key and its value: what a store needs beside is its own affair.
function Memory.usage(call)
  local facts = facts_of(call, "memory", 3)
  if facts then call.out:integer(#call.args[3] + facts.size) end
end


function Object.encoding(call)
  if facts_of(call, "object", 3) then call.out:bulk "raw" end
end


-- In the words of Redis: its tools know them.
function Object.freq(call)
  call.out:error("ERR An LFU maxmemory policy is not selected, access frequency not "
    .. "tracked. Stores do not tell how often a key is read.")
end


return {
  memory = subcommands.of("memory", Memory), object = subcommands.of("object", Object),
}
