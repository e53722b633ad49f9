-- weir set: values from arguments, a file or stdin.
local Exit = require "weir.app.exit"
local Kinds = require "weir.app.explore.kinds"
local Outcome = require "weir.app.cli.outcome"
local Target = require "weir.app.cli.target"

local Set = {
  summary = "Store values under keys.",
  description = "Store values under keys: KEY VALUE, any number of times, or one KEY "
    .. "whose value is a file's bytes or stdin's.",
}


function Set.define(command)
  Target.define(command)
  command:argument "key"
    :target "words"
    :argname "<key> [<value>]"
    :description "KEY VALUE pairs; or one KEY alone."
    :args "+"
  command:option "-f --file"
    :argname "<path>"
    :description "Take the value of the one KEY from a file; - is stdin, the default."
  command:option "--ttl"
    :argname "<time>"
    :description "Forget the values after this: 30s, 12h, 7d."
    :convert(Kinds.time)
end


local function slurp(path)
  local file, bytes, err = io.stdin, nil, nil
  local named = path and path ~= "-"
  if named then file, err = io.open(path, "rb") end
  if file then bytes, err = file:read "*a" end
  if bytes then return bytes end
  -- An error of open begins with the path, an error of read does not.
  local what = file and (named and path or "stdin") .. ": " or ""
  Exit.fail(Exit.ERROR, "cannot read %s%s", what, err)
end


local function checked(word)
  local key, err = Kinds.key(word)
  return key or Exit.fail(Exit.USAGE, "%s", err)
end


-- The keys and values that the command line names.
local function pairs_of(args)
  local words = args.words
  if #words == 1 then
    return { checked(words[1]) }, { slurp(args.file) }
  end
  if args.file then
    Exit.fail(Exit.USAGE, "--file gives one KEY its value, there are %d words", #words)
  end
  if #words % 2 == 1 then
    Exit.fail(Exit.USAGE, "the last key, '%s', has no value", words[#words])
  end
  local keys, values = {}, {}
  for i = 1, #words, 2 do
    keys[#keys + 1] = checked(words[i])
    values[#values + 1] = words[i + 1]
  end
  return keys, values
end


function Set.run(args)
  local keys, values = pairs_of(args)
  return Target.use(args, function(store, options)
    options.ttl = args.ttl
    local reply = store:set_many(keys, values, options)
    return Outcome.each(args, keys, reply, nil, function(object, i)
      object.size = #values[i]
    end)
  end, true)
end


return Set
