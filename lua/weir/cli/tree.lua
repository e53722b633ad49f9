-- weir tree: explore/tree.lua as a subcommand.
return require "weir.cli.explored" "tree"
