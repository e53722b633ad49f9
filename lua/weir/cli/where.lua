-- weir where: explore/where.lua as a subcommand.
return require "weir.cli.explored" "where"
