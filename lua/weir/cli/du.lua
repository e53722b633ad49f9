-- weir du: explore/du.lua as a subcommand.
return require "weir.cli.explored" "du"
