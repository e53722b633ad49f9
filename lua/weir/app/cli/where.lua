-- weir where: app/explore/where.lua as a subcommand.
return require "weir.app.cli.explored" "where"
