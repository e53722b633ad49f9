-- weir cp: app/explore/cp.lua as a subcommand.
return require "weir.app.cli.explored" "cp"
