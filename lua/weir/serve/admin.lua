-- serve/admin.lua: WEIR, the console over redis-cli.

local Breakers = require "weir.observe.breakers"
local Errors = require "weir.serve.errors"
local Json = require "weir.app.show.json"
local subcommands = require "weir.serve.subcommands"

local HELP = {
  "WEIR TREE              the stores and policies of this database",
  "WEIR STATS [path]      what they have counted, as JSON",
  "WEIR EXPLAIN op key    which way an op would go, without running it",
  "WEIR TRACE key         a get, and what happened at each store",
  "WEIR SAMPLE [n]        the first n keys of a scan (10)",
  "WEIR BREAKER           the breakers and their states",
  "WEIR BREAKER OPEN path sets one; also DISABLE, RESET; a single one needs no path",
  "WEIR RELOAD            read the policy files again",
  "WEIR UNDO              go back to the trees before the last reload",
}

local Subs = {}


function Subs.help(call)
  call.out:list(HELP)
end


function Subs.tree(call)
  call.out:text(tostring(call.server:root(call.db):tree()))
end


function Subs.stats(call)
  local root = call.server:root(call.db)
  local stats = root.handle and { root = root:stats() } or root:stats()
  local path = call.args[3]
  if path and not stats[path] then
    local paths = {}
    for name in pairs(stats) do paths[#paths + 1] = name end
    table.sort(paths)
    return call.out:error(("ERR no store at '%s'; there are %s"):format(path,
      table.concat(paths, ", ")))
  end
  call.out:text(Json.encode(path and stats[path] or stats))
end


function Subs.explain(call)
  local op, key = call.args[3], call.args[4]
  if not key then return call.out:error(subcommands.wrong_count("weir", "explain")) end
  call.out:text(tostring(call.server:root(call.db):explain(op:lower(), key)))
end


function Subs.trace(call)
  local key = call.args[3]
  if not key then return call.out:error(subcommands.wrong_count("weir", "trace")) end
  local steps, reply = call.server:root(call.db):trace(key)
  call.out:text(("%s\n%s"):format(reply[1], tostring(steps)))
end


function Subs.sample(call)
  local n = tonumber(call.args[3] or 10)
  if not n or n < 1 or n > 10000 or n % 1 ~= 0 then
    return call.out:error "ERR expected a whole number from 1 to 10000"
  end
  local good, keys = pcall(function()
    local list = {}
    for key in call.server:root(call.db):scan { limit = n } do list[#list + 1] = key end
    return list
  end)
  if not good then return call.out:error(Errors.text(keys)) end
  call.out:list(keys)
end


function Subs.breaker(call)
  local action, path = call.args[3], call.args[4]
  local root = call.server:root(call.db)
  if not action then return call.out:text(Breakers.text(root)) end
  local good, where, state = pcall(Breakers.force, root, action:lower(), path)
  if not good then return call.out:error("ERR " .. where) end
  call.out:text(("%s is %s"):format(where, state))
end


local function say(call, done, err)
  if done then return call.out:simple "OK" end
  call.out:error("ERR " .. err)
end


function Subs.reload(call)
  say(call, call.server:reload())
end


function Subs.undo(call)
  say(call, call.server:undo())
end


return { weir = subcommands.of("weir", Subs) }
