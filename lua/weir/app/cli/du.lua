-- weir du: app/explore/du.lua as a subcommand.
return require "weir.app.cli.explored" "du"
