-- .bench: how fast a store sets, gets and deletes, with keys of its own.
local Exit = require "weir.app.exit"
local Host = require "weir.host"
local Quantity = require "weir.core.quantity"

local BATCH = 64

-- Seconds after which keys are gone that could not be deleted.
local TTL = 600


-- Runs fn(batch, last) over batches of the first n keys. Returns the seconds it took,
-- or the first error.
local function timed(keys, n, fn)
  local begun = Host.now()
  for first = 1, n, BATCH do
    local last = math.min(first + BATCH - 1, n)
    local reply = fn({ unpack(keys, first, last) }, last)
    for i = 1, reply.n do
      local err = reply:error(i)
      if err then error(err, 0) end
    end
  end
  return Host.now() - begun
end


local function row(view, args, verb, seconds)
  local rate, bytes = args.n / seconds, args.n * args.size / seconds
  view:object { op = verb, keys = args.n, seconds = seconds }
  return { verb, Quantity.count(rate) .. " keys/s", Quantity.bytes(bytes) .. "/s" }
end


return {
  name = "bench",
  summary = "Measure how fast a store sets, gets and deletes.",
  description = "Measure how fast a store sets, gets and deletes keys of the bench's "
    .. "own, in batches of 64. They are gone afterwards.",
  stores = 1,
  arguments = {
    { name = "n", kind = "count", default = 2048, help = "How many keys; 2048." },
    { name = "size", kind = "size", default = 4096, help = "Bytes of a value; 4KiB." },
  },
  run = function(view, args)
    local store, value, keys = args.store, ("x"):rep(args.size), {}
    local mark = ("weir:bench:%x:"):format(Host.random() * 2 ^ 52)
    for i = 1, args.n do keys[i] = mark .. i end
    local values = {}
    for i = 1, BATCH do values[i] = value end
    local rows, set = {}, 0
    local fine, err = pcall(function()
      rows[1] = row(view, args, "set", timed(keys, args.n, function(batch, last)
        set = last
        return store:set_many(batch, { unpack(values, 1, #batch) }, { ttl = TTL })
      end))
      rows[2] = row(view, args, "get", timed(keys, args.n, function(batch)
        return store:get_many(batch)
      end))
    end)
    -- A task of its own: after Ctrl-C this one cannot wait any more, and that goes on.
    local cleaning = Host.spawn(pcall, timed, keys, set, function(batch)
      return store:delete_many(batch)
    end)
    if err == Host.KILLED then error(err, 0) end
    local _, gone, seconds = Host.join(cleaning)
    if not fine or not gone then error(fine and seconds or err, 0) end
    rows[3] = row(view, args, "delete", seconds)
    view:table(rows, "lrr")
    return Exit.OK
  end,
}
