-- weir ls: the keys of a store, page by page.
local cjson = require "cjson"
local Bytes = require "weir.show.bytes"
local Exit = require "weir.cli.exit"
local Quantity = require "weir.show.quantity"
local Target = require "weir.cli.target"

local Ls = {
  summary = "List keys, those that begin with PREFIX.",
  description = "List keys, those that begin with PREFIX, unsorted, as they come. "
    .. "Bytes that do not print are written \\ddd.",
}


local function whole(text)
  local n = tonumber(text)
  if not n or n < 1 or n % 1 ~= 0 then
    return nil, ("'%s' is no number of keys"):format(text)
  end
  return n
end


function Ls.define(command)
  Target.define(command)
  command:argument "prefix"
    :description "Only keys that begin with this."
    :args "?"
  command:flag "-l --long"
    :description "Show sizes and times to live, too."
  command:flag "-0 --null"
    :description "End each key with a zero byte, unescaped: for xargs -0."
  command:option "-n --limit"
    :argname "<keys>"
    :description "Stop after so many."
    :convert(whole)
end


local function long(key, info)
  Exit.write(("%10s  %9s  %s\n"):format(
    info.size and Quantity.bytes(info.size) or "-",
    info.ttl and Quantity.time(info.ttl) or "-",
    Bytes.escape(key)))
end


local function json(key, info)
  local object = { size = info.size, ttl = info.ttl }
  Exit.write(cjson.encode(Bytes.put(object, "key", key)), "\n")
end


local function form(args)
  if args.json then return json end
  if args.long then return long end
  if args.null then return function(key) Exit.write(key, "\0") end end
  return function(key) Exit.write(Bytes.escape(key), "\n") end
end


function Ls.run(args)
  local show = form(args)
  return Target.use(args, function(store, options)
    options.prefix, options.limit = args.prefix, args.limit
    for key, info in store:scan(options) do
      show(key, info)
    end
    return Exit.OK
  end)
end


return Ls
