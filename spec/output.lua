-- busted's output: its plain one, then the closing line that CI systems read,
-- "N passed, N failed[, N skipped]" alone on a line. Named in .busted.
local plain = require "busted.outputHandlers.plainTerminal"


return function(options)
  local handler = plain(options)
  local busted = require "busted"

  busted.subscribe({ "suite", "end" }, function()
    local failed = handler.failuresCount + handler.errorsCount
    local line = ("%d passed, %d failed"):format(handler.successesCount, failed)
    if handler.pendingsCount > 0 then
      line = ("%s, %d skipped"):format(line, handler.pendingsCount)
    end
    io.write("\n", line, "\n")
    return nil, true
  end)

  return handler
end
