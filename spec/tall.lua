-- tall.lua STACK: gets of one key through ten words. Prints how often LuaJIT gave up
-- compiling for a reason that a tall stack brings with it. Run by hot_spec.lua, in its
-- own process.
local util = require "jit.util"
local vmdef = require "jit.vmdef"
local weir = require "weir"

local function memory() return weir.memory { capacity = "1MiB" } end

local function ten_times(word)
  return function(store)
    for _ = 1, 10 do store = word(store) end
    return store
  end
end

local STACKS = {
  meter = ten_times(function(s) return s:meter "m" end),
  timeout = ten_times(function(s) return s:timeout(1) end),
  prefix = ten_times(function(s) return s:prefix "p" end),
  tier = ten_times(function(s) return weir.tier { s, memory() } end),
  different = function(s)
    s = s:prefix "p":timeout(1):breaker {}:limit { 10 }:negative {}
    s = weir.route { k = s, default = s }
    return weir.tier { s:ttl(60), memory() }:coalesce():retry { 2 }:deadline(1)
  end,
}

-- What is wrong with the trace, and where, if that matters.
local TOO_TALL = {
  ["too many spill slots"] = "", -- too many variables at a time
  ["too many snapshots"] = "",
  ["NYI: return to lower frame"] = "", -- through a pcall
  ["down-recursion, restarting"] = "", -- the same function at several levels
  ["loop unroll limit reached"] = "weir/host.lua$", -- too many tail calls
}

local given_up = 0

jit.attach(function(what, _, func, pc, reason)
  if what ~= "abort" or type(reason) ~= "number" then return end
  local place = util.funcinfo(func, pc).source or ""
  local where = TOO_TALL[vmdef.traceerr[reason]]
  if where and place:find(where) then given_up = given_up + 1 end
end, "trace")

weir.run(function()
  local store = STACKS[arg[1]](memory())
  assert(store:set("key", "value"))
  for _ = 1, 20000 do assert(store:get "key") end
end)
print(given_up)
