-- weir stats: explore/stats.lua as a subcommand.
return require "weir.cli.explored" "stats"
