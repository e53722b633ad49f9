-- weir hex: app/explore/hex.lua as a subcommand.
return require "weir.app.cli.explored" "hex"
