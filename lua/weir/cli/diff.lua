-- weir diff: explore/diff.lua as a subcommand.
return require "weir.cli.explored" "diff"
