-- serve/command.lua: COMMAND: what the table of commands tells to clients.

local Commands = require "weir.serve.commands"
local subcommands = require "weir.serve.subcommands"

local Subs = {}


-- The flags that Redis would give a command.
local function flags_of(row)
  local facts, flags = row[3], {}
  if facts.writes then
    flags[1] = "write"
  elseif facts.keys then
    flags[1] = "readonly"
  end
  if facts.no_auth then flags[#flags + 1] = "no_auth" end
  if facts.admin then flags[#flags + 1] = "admin" end
  if facts.op or facts.form then flags[#flags + 1] = "fast" end
  return flags
end


local function tell(out, row)
  local keys, flags = row[3].keys or { 0, 0, 0 }, flags_of(row)
  out:array(10)
  out:bulk(row[1])
  out:integer(row[2])
  out:set(#flags)
  for _, flag in ipairs(flags) do out:simple(flag) end
  for i = 1, 3 do out:integer(keys[i]) end
  out:set(0) -- ACL categories
  out:array(0) -- tips
  out:array(0) -- key specifications
  out:array(0) -- subcommands
end


function Subs.count(call)
  call.out:integer(#Commands.rows)
end


function Subs.list(call)
  local names = {}
  for i, row in ipairs(Commands.rows) do names[i] = row[1] end
  call.out:list(names)
end


-- The rows that words name; false where there is none.
local function named(args)
  if #args <= 2 then return Commands.rows end
  local rows = {}
  for i = 3, #args do rows[i - 2] = Commands.by_name[args[i]:lower()] or false end
  return rows
end


function Subs.info(call)
  local rows = named(call.args)
  call.out:array(#rows)
  for _, row in ipairs(rows) do
    if row then tell(call.out, row) else call.out:null() end
  end
end


local GROUPS = { session = "connection", clients = "connection", keys = "generic",
  object = "generic", cluster = "cluster" }

local function group_of(row)
  local facts = row[3]
  return facts.group or facts.op and "string" or GROUPS[facts.by] or "server"
end


function Subs.docs(call)
  local rows = {}
  for _, row in ipairs(named(call.args)) do
    if row then rows[#rows + 1] = row end
  end
  call.out:map(#rows)
  for _, row in ipairs(rows) do
    call.out:bulk(row[1])
    call.out:map(4)
    call.out:bulk "summary"
    call.out:bulk(row[4])
    call.out:bulk "since"
    call.out:bulk "1.0.0"
    call.out:bulk "group"
    call.out:bulk(group_of(row))
    call.out:bulk "complexity"
    call.out:bulk "as the policy has it"
  end
end


local run = subcommands.of("command", Subs)

return {
  command = function(call)
    if #call.args == 1 then return Subs.info(call) end
    return run(call)
  end,
}
