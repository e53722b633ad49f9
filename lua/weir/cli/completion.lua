-- weir completion: what makes a shell complete the command line, from the same
-- definitions as the help.
local Exit = require "weir.cli.exit"

local Command = {
  summary = "Write what makes bash or zsh complete weir's command line.",
  description = "Write what makes a shell complete weir's command line: "
    .. "eval \"$(weir completion bash)\".",
}


function Command.define(command)
  command:argument "shell"
    :description "bash or zsh."
    :choices { "bash", "zsh" }
end


function Command.run(args)
  local Cli = require "weir.cli"
  local parser = Cli.parser(Cli.commands())
  io.write(args.shell == "bash" and parser:get_bash_complete()
    or parser:get_zsh_complete())
  return Exit.OK
end


return Command
