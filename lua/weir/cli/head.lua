-- weir head: explore/head.lua as a subcommand.
return require "weir.cli.explored" "head"
