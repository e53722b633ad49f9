-- weir explain: explore/explain.lua as a subcommand.
return require "weir.cli.explored" "explain"
