-- serve/docs.lua: the tables of commands, errors and options, for
-- examples/serve/README.md. `make generate` writes them there.

local Commands = require "weir.serve.commands"
local Errors = require "weir.serve.errors"
local Options = require "weir.serve.options"
local status = require "weir.core.status"

local Docs = {}


local function escaped(text)
  return (text:gsub("|", "\\|"))
end


--- The commands that are served, as rows of a table.
function Docs.commands()
  local lines = { "| command | |", "|---|---|" }
  for _, row in ipairs(Commands.rows) do
    if not row[3].refused then
      lines[#lines + 1] = ("| `%s` | %s |"):format(row[1]:upper(), escaped(row[4]))
    end
  end
  return table.concat(lines, "\n") .. "\n"
end


--- The commands that are refused, by the reason.
function Docs.refused()
  local names, reasons = {}, {}
  for _, row in ipairs(Commands.rows) do
    local why = row[3].refused
    if why and not names[why] then
      names[why] = {}
      reasons[#reasons + 1] = why
    end
    if why then table.insert(names[why], row[1]:upper()) end
  end
  table.sort(reasons)
  local lines = { "| refused | because |", "|---|---|" }
  for _, why in ipairs(reasons) do
    table.sort(names[why])
    lines[#lines + 1] = ("| %s | %s |"):format(table.concat(names[why], " "), why)
  end
  return table.concat(lines, "\n") .. "\n"
end


--- What a status becomes.
function Docs.errors()
  local lines = { "| status | reply | |", "|---|---|---|" }
  for number = 1, #status.names do
    local name = status.names[number]
    local row = Errors.codes[name]
    if row then
      lines[#lines + 1] = ("| `%s` | `-%s ...` | %s |"):format(name, row[1], row[2])
    end
  end
  return table.concat(lines, "\n") .. "\n"
end


--- The options, with their variables.
function Docs.options()
  local lines = { "| option | default | |", "|---|---|---|" }
  for _, row in ipairs(Options.rows) do
    lines[#lines + 1] = ("| `--%s` | %s | %s |"):format(row[1], row[3] or "", row[5])
  end
  return table.concat(lines, "\n") .. "\n"
end


return Docs
