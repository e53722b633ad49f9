-- No rule of promotion wins everywhere: the same requests through write-through and
-- through write-around that promotes on the second hit. What counts is how often
-- the small fast tier has the chunk, and how often it has to be written for that.
--
--     build/weir run examples/policies/around.lua [TRACE.jsonl]
--
--     policy                         top hits   share  below  computed  top writes
--     write-through, promote always     58164  81.6 %   4950      8145       13095
--     write-around, promote always      52148  73.2 %  10966      8145       10966
--     write-around, promote hits(2)     46266  64.9 %  16848      8145        9407
--
-- Mooncake's conversation trace says the opposite of these made-up sessions:
--
--     policy                         top hits  share  below  computed  top writes
--     write-through, promote always     17744  6.2 %  87966    182790      270756
--     write-around, promote always      21384  7.4 %  84326    182790       84326
--     write-around, promote hits(2)     21902  7.6 %  83808    182790       39664
local Columns = require "weir.app.show.columns"
local mooncake = require "weir.app.trace.mooncake"
local sessions = require "weir.app.trace.sessions"
local weir = require "weir"

local CHUNK = ("x"):rep(1024)  -- stands for a chunk of any size
local ROOM = 800 * 1120        -- of the top: chunks with what they cost
local MADE_UP = 4000           -- requests, when no trace is given


local function requests()
  if arg[1] then return mooncake(arg[1]) end
  local source, left = sessions(1), MADE_UP
  return function()
    left = left - 1
    return left >= 0 and source() or nil
  end
end


local function keys_of(ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = ("chunk:%d"):format(id) end
  return keys
end


-- Serves all requests: what is not found is computed and stored.
local function serve(tree)
  for ids in requests() do
    local keys = keys_of(ids)
    local reply = tree:get_many(keys)
    local missing, values = {}, {}
    for _, i in ipairs(reply:residual_slots()) do
      missing[#missing + 1], values[#values + 1] = keys[i], CHUNK
    end
    if #missing > 0 then tree:set_many(missing, values) end
    reply:close()
  end
end


local function row(name, options)
  local top = weir.memory { capacity = ROOM }
  local big = weir.memory { capacity = "2GiB" }
  local tree = weir.tier { top, big, write = options.write, promote = options.promote }
  serve(tree)
  local tally, written = tree:tally(), top:stats().ops.set
  local asked = tally.hits[1] + tally.misses[1]
  local line = { name, tostring(tally.hits[1]), ("%.1f %%"):format(
    tally.hits[1] / asked * 100), tostring(tally.hits[2]), tostring(tally.misses[2]),
    tostring(written and written.keys or 0) }
  tree:close()
  return line
end


Columns.print({
  { "policy", "top hits", "share", "below", "computed", "top writes" },
  row("write-through, promote always", { write = "through" }),
  row("write-around, promote always", { write = "around" }),
  row("write-around, promote hits(2)", { write = "around", promote = weir.hits(2) }),
}, "lrrrrr")
