-- weir cp: explore/cp.lua as a subcommand.
return require "weir.cli.explored" "cp"
