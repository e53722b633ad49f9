-- weir stat: sizes and times to live.
local Bytes = require "weir.show.bytes"
local Columns = require "weir.show.columns"
local Outcome = require "weir.cli.outcome"
local Quantity = require "weir.show.quantity"
local Target = require "weir.cli.target"

local Stat = { summary = "Show the size and the time to live of keys." }


function Stat.define(command)
  Target.define(command)
  Target.keys(command, "+")
end


function Stat.run(args)
  return Target.use(args, function(store, options)
    local reply = store:stat_many(args.key, options)
    local rows = { { "size", "ttl", "key" } }
    local code = Outcome.each(args, args.key, reply, function(i)
      local ttl = reply:ttl(i)
      rows[#rows + 1] = {
        Quantity.bytes(reply:size(i)),
        ttl and Quantity.time(ttl) or "-",
        Bytes.escape(args.key[i]),
      }
    end, function(object, i)
      object.size, object.ttl = reply:size(i), reply:ttl(i)
    end)
    if #rows > 1 then
      Columns.print(rows, "rrl")
    end
    return code
  end)
end


return Stat
