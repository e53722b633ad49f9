-- weir trace: app/explore/trace.lua as a subcommand.
return require "weir.app.cli.explored" "trace"
