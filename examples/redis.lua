-- Redis through the verbs: a batch in one round trip, times to live, a scan.
--
--     build/weir run examples/redis.lua [URL]          (redis://127.0.0.1:6379)
--
--     stored          1000 of 1000 in one batch
--     read back       1000 right, 0 missing
--     a session       26 bytes, gone in 30 s
--     an hour later   26 bytes, gone in 3600 s
--     scanned         1000 keys below demo:item:
--     removed         1001, of which 0 were not there
local weir = require "weir"

local N = 1000

local store = weir.open(arg[1] or "redis://127.0.0.1:6379", { prefix = "demo:" })


local function say(what, ...)
  print(("%-15s %s"):format(what, string.format(...)))
end


local keys, values = {}, {}
for i = 1, N do
  keys[i] = ("item:%d"):format(i)
  values[i] = ("the value of item %d"):format(i)
end

local reply = store:set_many(keys, values)
if reply:any "error" then
  error(reply:error(1), 0)
end
say("stored", "%d of %d in one batch", reply:count "good", N)

local right = 0
reply = store:get_many(keys)
for i = 1, N do
  if reply:string(i) == values[i] then
    right = right + 1
  end
end
say("read back", "%d right, %d missing", right, reply:count "miss")

assert(store:set("session", "who=ann; basket=apple,pear", { ttl = 30 }))
local facts = assert(store:stat "session")
say("a session", "%d bytes, gone in %.0f s", facts.size, facts.ttl)
assert(store:touch("session", 3600))
facts = assert(store:stat "session")
say("an hour later", "%d bytes, gone in %.0f s", facts.size, facts.ttl)

local scanned = 0
for _ in store:scan { prefix = "item:" } do
  scanned = scanned + 1
end
say("scanned", "%d keys below demo:item:", scanned)

keys[N + 1] = "session"
reply = store:delete_many(keys)
say("removed", "%d, of which %d were not there", #reply, reply:count "miss")
store:close()
