-- The STORE argument that most subcommands take, and the options beside it: a
-- URL, a connector's name, or a policy file. Opened inside the host, closed after.
local Exit = require "weir.cli.exit"
local Quantity = require "weir.show.quantity"
local weir = require "weir"

local Target = {}

local KEY_MAX = 65536


local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end


local function open(target)
  if target:find "^[%w+.-]+://" then
    return weir.open(target)
  end
  if target:find "%.lua$" or exists(target) then
    return weir.load(target)
  end
  return weir.open(target)
end


--- argument adds STORE, --timeout and --json.
function Target.define(command)
  command:argument "store"
    :description "A URL (fs:///var/cache), a connector or a policy file (kv.lua)."
  command:option "--timeout"
    :argname "<time>"
    :description "Give up after this: 50ms, 2s. Default: the store's own."
    :convert(Quantity.seconds)
  command:flag "--json"
    :description "Print one JSON object a line."
end


--- keys adds KEY arguments.
---@param args string how many, in argparse's words
function Target.keys(command, args)
  command:argument "key"
    :description "Any bytes, 1 to 65536 of them."
    :args(args)
    :convert(Target.key)
end


--- key checks one key.
function Target.key(text)
  if #text == 0 then return nil, "a key has at least one byte" end
  if #text > KEY_MAX then
    return nil, ("a key has at most %d bytes, not %d"):format(KEY_MAX, #text)
  end
  return text
end


--- use opens the store and returns what fn(store, options) returns.
function Target.use(args, fn)
  return weir.run(function()
    local opened, store, err = pcall(open, args.store)
    if not opened then Exit.fail(Exit.ERROR, "%s", tostring(store)) end
    if not store then Exit.fail(Exit.ERROR, "%s", tostring(err)) end
    local code = fn(store, { timeout = args.timeout })
    store:close()
    return code
  end)
end


return Target
