-- weir rm: deletes keys, by name or by a pattern, or a whole store.
local Bytes = require "weir.app.show.bytes"
local Destroy = require "weir.app.explore.destroy"
local Exit = require "weir.app.exit"
local Guard = require "weir.app.explore.guard"
local Json = require "weir.app.show.json"
local Listing = require "weir.app.explore.listing"
local Outcome = require "weir.app.cli.outcome"
local Quantity = require "weir.core.quantity"
local Target = require "weir.app.cli.target"
local Terminal = require "weir.app.terminal"
local weir = require "weir"

local Rm = {
  summary = "Delete keys.",
  description = "Delete keys: those that are named, byte for byte, or with --pattern "
    .. "those that match, after a question. With --destroy the store itself goes.",
}

local SHOWN = 3 -- keys in the question
local TOLD = 5  -- keys that could not be deleted, by a pattern


function Rm.define(command)
  Target.define(command)
  Target.keys(command, "*")
  command:option "--pattern"
    :argname "<pattern>"
    :description("Delete the keys that match: * stands for any bytes, ? for one. Asks "
      .. "first, with the number of keys.")
  command:flag "--destroy"
    :description("Remove the memory of an shm store, with all keys, after a question. "
      .. "Processes that have it open keep it until they close it; who opens it anew "
      .. "gets an empty one.")
  command:flag "-y --yes"
    :description "Do not ask."
end


-- Refuses a question where nobody can answer it.
local function can_ask(args, option)
  if not args.yes and not Terminal.is(0) then
    Exit.fail(Exit.USAGE, "%s asks before it deletes, and stdin is no terminal: "
      .. "give --yes", option)
  end
end


-- Refuses arguments that exclude each other.
local function check(args)
  local both = args.pattern and args.destroy
  if both or (args.pattern or args.destroy) and #args.key > 0 then
    Exit.fail(Exit.USAGE, "give KEYs, --pattern or --destroy, only one of them")
  end
  if not args.destroy and not args.pattern and #args.key == 0 then
    Exit.fail(Exit.USAGE, "missing argument 'key', or --pattern, or --destroy")
  end
  if args.pattern and not args.pattern:find "[*?]" then
    Exit.fail(Exit.USAGE, "a pattern has a * or a ?, '%s' has none: delete one key "
      .. "without --pattern, or write '%s*'", args.pattern, args.pattern)
  end
end


-- Calls fn(keys) for page after page of the keys that match.
local function each_page(store, args, options, fn)
  local listing = Listing.new(store, args.pattern, options)
  while not listing.ended do
    local keys = {}
    for i, entry in ipairs(listing:page(math.huge)) do keys[i] = entry.key end
    if #keys > 0 then fn(keys) end
  end
end


-- Whether the keys that match may go, of which there are some.
local function agreed(store, args, options)
  local n, first = 0, {}
  each_page(store, args, options, function(keys)
    n = n + #keys
    for _, key in ipairs(keys) do
      if #first < SHOWN then first[#first + 1] = Bytes.escape(key) end
    end
  end)
  if n == 0 then return nil end
  return Target.ask(("delete %s that match '%s' (%s%s) from %s?"):format(
    Quantity.things(n, "key"), Bytes.escape(args.pattern), table.concat(first, ", "),
    n > #first and ", ..." or "", store.name))
end


local function delete_page(store, options, keys, counts)
  local reply = store:delete_many(keys, options)
  for i, key in ipairs(keys) do
    local err = reply:error(i)
    if err then
      counts.failed = counts.failed + 1
      if counts.failed <= TOLD then
        Exit.complain(("%s: %s"):format(Bytes.escape(key), tostring(err)), "rm")
      end
    elseif reply[i] == "ok" then
      counts.deleted = counts.deleted + 1
    end
  end
end


local function by_pattern(store, args, options)
  can_ask(args, "--pattern")
  local answer = args.yes or agreed(store, args, options)
  if answer == false then Exit.fail(Exit.ERROR, "nothing was deleted") end
  local counts = { deleted = 0, failed = 0 }
  if answer then
    each_page(store, args, options, function(keys)
      delete_page(store, options, keys, counts)
    end)
  end
  if args.json then
    Exit.write(Json.encode(counts), "\n")
  else
    Exit.write(("deleted %s%s\n"):format(Quantity.things(counts.deleted, "key"),
      counts.failed > 0 and (", %d failed"):format(counts.failed) or ""))
  end
  if counts.failed > 0 then return Exit.ERROR end
  return counts.deleted > 0 and Exit.OK or Exit.MISS
end


local function by_name(store, args, options)
  local reply = store:delete_many(args.key, options)
  local code = Outcome.each(args, args.key, reply)
  for i, key in ipairs(args.key) do
    if reply[i] == "miss" and key:find "[*?]" then
      Exit.complain("a KEY is taken byte for byte; --pattern deletes what matches",
        "rm")
      break
    end
  end
  return code
end


local function destroy(store, args, options)
  local can, why = pcall(Destroy.check, store)
  why = not can and why
    or Guard.is(store) and Guard.refusal(store, nil, "destroy it")
  if why then Exit.fail(Exit.ERROR, "%s", why) end
  can_ask(args, "--destroy")
  if not args.yes and not Target.ask(("destroy %s (%s)?"):format(store.name,
    Destroy.describe(store))) then
    Exit.fail(Exit.ERROR, "nothing was destroyed")
  end
  local ok, err = Destroy.run(store, options)
  if not ok then Exit.fail(Exit.ERROR, "%s", tostring(err)) end
  Exit.write(args.json and Json.encode { destroyed = store.name }
    or "destroyed " .. store.name, "\n")
  return Exit.OK
end


function Rm.run(args)
  check(args)
  if args.destroy then
    return weir.run(function()
      return destroy(Target.open(args.store, true), args, { timeout = args.timeout })
    end)
  end
  return Target.use(args, function(store, options)
    return (args.pattern and by_pattern or by_name)(store, args, options)
  end)
end


return Rm
