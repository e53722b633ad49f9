-- weir big: app/explore/big.lua as a subcommand.
return require "weir.app.cli.explored" "big"
