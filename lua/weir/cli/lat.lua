-- weir lat: explore/lat.lua as a subcommand.
return require "weir.cli.explored" "lat"
