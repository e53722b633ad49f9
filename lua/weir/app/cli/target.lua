-- The STORE argument that most subcommands take, and the options beside it: a
-- URL, a connector's name, or a policy file. Opened inside the host, closed after.
local Closing = require "weir.core.closing"
local Exit = require "weir.app.exit"
local Guard = require "weir.app.explore.guard"
local Kinds = require "weir.app.explore.kinds"
local Literal = require "weir.app.show.literal"
local Opened = require "weir.app.explore.opened"
local Terminal = require "weir.app.terminal"
local weir = require "weir"

local Target = {}

-- Seconds that requests in flight get at the least.
local LEAST = 0.1


--- Asks on a terminal. Without a terminal the answer is no.
---@param question string
---@return boolean
function Target.ask(question)
  if not Terminal.is(0) then return false end
  io.stderr:write(Literal.harmless(question), " [y/N] ")
  return (io.read "*l" or ""):lower():find "^y" ~= nil
end


local function asks_once()
  local agreed
  return function(question)
    if agreed == nil then agreed = Target.ask(question) end
    return agreed
  end
end


--- Opens a URL, a connector or a policy file. Changes of a store that is marked
--- prod=true must be confirmed.
---@param target string
---@param reading boolean? it will not be written to
---@return weir.Store
function Target.open(target, reading)
  local good, store, marks = pcall(Opened.open, target, reading)
  if not good then Exit.fail(Exit.ERROR, "%s", tostring(store)) end
  if not marks.prod then return store end
  return Guard.new {
    inner = store, title = marks.title, prod = true, confirm = asks_once(),
    scope = "this command",
  }
end


--- Adds STORE, --timeout and --json.
function Target.define(command)
  command:argument "store"
    :description "A URL (fs:///var/cache), a connector or a policy file (kv.lua)."
  command:option "--timeout"
    :argname "<time>"
    :description "Give up after this: 50ms, 2s. Default: the store's own."
    :convert(Kinds.time)
  command:flag "--json"
    :description "Print one JSON object a line."
end


--- Adds KEY arguments.
---@param args string how many, in argparse's words
function Target.keys(command, args)
  command:argument "key"
    :description "Any bytes, 1 to 65536 of them."
    :args(args)
    :convert(Kinds.key)
end


--- Closes the stores that a command has opened, with --timeout in the rest of that
--- time.
---@param stores weir.Store[]
---@param from number when the command began
function Target.close(args, stores, from)
  local left = args.timeout and math.max(from + args.timeout - weir.now(), LEAST)
  Closing.all(stores, { timeout = left })
end


--- Opens the store, calls fn(store, options), closes the store. Returns fn's result.
---@param writing boolean? it may be written to
function Target.use(args, fn, writing)
  return weir.run(function()
    local from, store = weir.now(), Target.open(args.store, not writing)
    local code = fn(store, { timeout = args.timeout })
    Target.close(args, { store }, from)
    return code
  end)
end


return Target
