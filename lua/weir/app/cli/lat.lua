-- weir lat: app/explore/lat.lua as a subcommand.
return require "weir.app.cli.explored" "lat"
