-- weir big: explore/big.lua as a subcommand.
return require "weir.cli.explored" "big"
