-- weir stat: sizes and times to live.
local Bytes = require "weir.app.show.bytes"
local Columns = require "weir.app.show.columns"
local Outcome = require "weir.app.cli.outcome"
local Quantity = require "weir.core.quantity"
local root_of = require "weir.app.explore.root"
local Target = require "weir.app.cli.target"
local Where = require "weir.app.explore.where"

local Stat = {
  summary = "Show the size and the time to live of keys.",
  description = "Show the size and the time to live of keys and, of a policy's tree, "
    .. "which of its stores hold them.",
}


function Stat.define(command)
  Target.define(command)
  Target.keys(command, "+")
end


-- The paths of the stores that hold a key, or nil where there is but one store.
local function holders(store, key, options)
  if not next(root_of(store).children or {}) then return nil end
  local paths = {}
  Where.each(store, key, options, function(place, facts)
    if facts then paths[#paths + 1] = place.path end
  end)
  return paths
end


function Stat.run(args)
  return Target.use(args, function(store, options)
    local reply = store:stat_many(args.key, options)
    local rows = { { "size", "ttl", "key" } }
    local code = Outcome.each(args, args.key, reply, function(i)
      local ttl, held = reply:ttl(i), holders(store, args.key[i], options)
      if held then rows[1][4] = "held by" end
      rows[#rows + 1] = {
        Quantity.bytes(reply:size(i)),
        ttl and Quantity.time(ttl) or "-",
        Bytes.escape(args.key[i]),
        held and table.concat(held, ", "),
      }
    end, function(object, i)
      object.size, object.ttl = reply:size(i), reply:ttl(i)
      object.held_by = reply[i] == "ok" and holders(store, args.key[i], options) or nil
    end)
    if #rows > 1 then Columns.print(rows, "rrl") end
    return code
  end)
end


return Stat
