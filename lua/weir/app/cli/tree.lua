-- weir tree: app/explore/tree.lua as a subcommand.
return require "weir.app.cli.explored" "tree"
