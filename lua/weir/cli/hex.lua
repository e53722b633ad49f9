-- weir hex: explore/hex.lua as a subcommand.
return require "weir.cli.explored" "hex"
