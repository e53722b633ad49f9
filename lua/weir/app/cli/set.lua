-- weir set: values from arguments, a file or stdin.
local Exit = require "weir.app.exit"
local Kinds = require "weir.app.explore.kinds"
local Outcome = require "weir.app.cli.outcome"
local Target = require "weir.app.cli.target"
local Terminal = require "weir.app.terminal"

local Set = {
  summary = "Store values under keys.",
  description = "Store values under keys: KEY VALUE, any number of times, where one "
    .. "VALUE may be - for what stdin has; or one KEY whose value is a file's bytes or "
    .. "stdin's.",
}


function Set.define(command)
  Target.define(command)
  command:argument "key"
    :target "words"
    :argname "<key> [<value>]"
    :description "KEY VALUE pairs; or one KEY alone. The value - is stdin's bytes."
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
  if not named and Terminal.is(0) then
    Exit.complain("type the value, Ctrl-D ends it", "set")
  end
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


-- The keys and values of pairs of words. - stands for what stdin has.
local function split(words)
  local keys, values, piped = {}, {}, nil
  for i = 1, #words, 2 do
    keys[#keys + 1] = checked(words[i])
    values[#values + 1] = words[i + 1]
    if words[i + 1] == "-" and piped then
      Exit.fail(Exit.USAGE, "stdin is the value of one key, - stands for two")
    end
    if words[i + 1] == "-" then piped = #values end
  end
  if piped then values[piped] = slurp "-" end
  return keys, values
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
  return split(words)
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
