-- weir explain: app/explore/explain.lua as a subcommand.
return require "weir.app.cli.explored" "explain"
