-- weir stats: app/explore/stats.lua as a subcommand.
return require "weir.app.cli.explored" "stats"
