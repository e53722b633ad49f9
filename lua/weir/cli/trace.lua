-- weir trace: explore/trace.lua as a subcommand.
return require "weir.cli.explored" "trace"
