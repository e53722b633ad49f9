-- weir ls: the keys of a store, page by page.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Json = require "weir.app.show.json"
local Kinds = require "weir.app.explore.kinds"
local Listing = require "weir.app.explore.listing"
local Quantity = require "weir.core.quantity"
local Target = require "weir.app.cli.target"
local Unlisted = require "weir.app.explore.unlisted"

local Ls = {
  summary = "List keys, those that match PATTERN.",
  description = "List keys, those that match PATTERN, unsorted, as they come. In a "
    .. "pattern * stands for any bytes and ? for one; without them it is the beginning "
    .. "of the keys. Bytes that do not print are written \\ddd.",
}


function Ls.define(command)
  Target.define(command)
  command:argument "pattern"
    :description "Only keys that match: user:*, or the beginning of keys."
    :args "?"
  command:flag "-l --long"
    :description "Show sizes and times to live, too."
  command:flag "-0 --null"
    :description "End each key with a zero byte, unescaped: for xargs -0."
  command:option "-n --limit"
    :argname "<keys>"
    :description "Stop after so many."
    :convert(Kinds.count)
end


local function long(entry)
  Exit.write(("%10s  %9s  %s\n"):format(
    entry.size and Quantity.bytes(entry.size) or "-",
    entry.ttl and Quantity.time(entry.ttl) or "-",
    Bytes.escape(entry.key)))
end


local function json(entry)
  local object = Bytes.put({ size = entry.size, ttl = entry.ttl }, "key", entry.key)
  Exit.write(Json.encode(object), "\n")
end


local function form(args)
  if args.json then return json end
  if args.long then return long end
  if args.null then return function(entry) Exit.write(entry.key, "\0") end end
  return function(entry) Exit.write(Bytes.escape(entry.key), "\n") end
end


function Ls.run(args)
  local show = form(args)
  return Target.use(args, function(store, options)
    options.facts = args.json or args.long
    local unlisted = Unlisted.new(store)
    local listing = Listing.new(store, args.pattern or "", options)
    local left = args.limit or math.huge
    while left > 0 and not listing.ended do
      local page = listing:page(left)
      for _, entry in ipairs(page) do show(entry) end
      left = left - #page
    end
    local _, sentence = unlisted:told()
    if sentence then Exit.complain(sentence, "ls") end
    return Exit.OK
  end)
end


return Ls
