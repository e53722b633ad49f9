-- .help: all commands, verbs and words, or all about one of them.
local Commands = require "weir.app.repl.line.commands"
local Topics = require "weir.app.help.topics"
local Verbs = require "weir.app.help.verbs"
local words = require "weir.language.words"


local function overview(view)
  local rows, commands = {}, {}
  for i, name in ipairs(Commands.names()) do
    commands[name] = Commands.find(name).summary
    rows[i] = { "  ." .. name, commands[name] }
  end
  view:object { commands = commands, verbs = Verbs.names(), words = words.names() }
  view:line "Lines are Lua: redis:get \"key\", x = 1, 1 + 1. A line that ends in & runs"
  view:line "in the background. _ is the last result. Ctrl-C ends a line. Commands:"
  view:table(rows)
  view:line("verbs of a store: %s", table.concat(Verbs.names(), " "))
  view:line("words: %s", table.concat(words.names(), " "))
  view:line ".help WORD tells more about any of them, and about an option."
end


return {
  name = "help",
  summary = "Show all commands and words, or all about one word.",
  plain = true,
  arguments = {
    { name = "word", kind = "text", optional = true, is = "topic",
      help = "A command, a verb, a word or an option." },
  },
  run = function(view, args)
    if not args.word then return overview(view) end
    local lines, suggestion = Topics.about(args.word)
    if not lines then
      error(("there is no help on %s%s"):format(args.word, suggestion), 0)
    end
    view:object { word = args.word, help = lines }
    for _, line in ipairs(lines) do view:line("%s", line) end
  end,
}
