-- weir head: app/explore/head.lua as a subcommand.
return require "weir.app.cli.explored" "head"
