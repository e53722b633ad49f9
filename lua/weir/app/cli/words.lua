-- weir words: the words of policy files and of the session, and what .help says of one.
local Catalog = require "weir.native.catalog"
local Exit = require "weir.app.exit"
local Json = require "weir.app.show.json"
local Topics = require "weir.app.help.topics"
local Meanings = require "weir.app.help.meanings"

local Command = {
  summary = "List the words of policy files, or show what one means.",
  description = "List the words of policy files. With a word, a verb of stores, or the "
    .. "name of an option: show what it means, with its options, as .help does in a "
    .. "session.",
}


function Command.define(command)
  command:argument "word"
    :description "A word, a verb, an option, or a command of the session (.ls)."
    :args "?"
  command:flag "--json"
    :description "Print one JSON object a line."
end


local HEADINGS = {
  { "connector", "connectors:" },
  { "many", "several stores as one:" },
  { "one", "over one store, also as a method (store:retry {}):" },
  { "none", "without stores:" },
  { "predicate", "predicates, for promote = and admit:" },
  { "time", "times that are measured, for delay =:" },
  { "write", "ways to write, for write = of tier:" },
}


-- The words and connectors as { name, kind, help }.
local function all()
  local list = {}
  for _, info in ipairs((Catalog.all())) do
    list[#list + 1] = { name = info.name, kind = "connector", help = info.help }
  end
  for _, name in ipairs(Meanings.names()) do
    local about = Meanings.about(name)
    list[#list + 1] = { name = name, kind = about.kind, help = about.help,
      example = about.example }
  end
  return list
end


local function print_all(list)
  for _, heading in ipairs(HEADINGS) do
    print(heading[2])
    for _, about in ipairs(list) do
      local sentence = about.help:match "^.-%.%f[ %z]" or about.help
      if about.kind == heading[1] then
        print(("  %-11s %s"):format(about.name, sentence))
      end
    end
  end
end


local function list_all(args)
  local list = all()
  if not args.json then return print_all(list) end
  for _, about in ipairs(list) do print(Json.encode(about)) end
end


function Command.run(args)
  if not args.word then
    list_all(args)
    return Exit.OK
  end
  local lines, suggestion = Topics.about(args.word)
  if not lines then
    Exit.fail(Exit.ERROR, "there is no help on %s%s", args.word, suggestion)
  end
  if args.json then
    print(Json.encode { word = args.word, help = lines })
  else
    print(table.concat(lines, "\n"))
  end
  return Exit.OK
end


return Command
