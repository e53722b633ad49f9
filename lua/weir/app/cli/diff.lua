-- weir diff: app/explore/diff.lua as a subcommand.
return require "weir.app.cli.explored" "diff"
