-- busted's output: its plain one, then the closing line that CI systems and .ci/specs
-- read, "N passed, N failed[, N skipped]". Named in .busted.
local plain = require "busted.outputHandlers.plainTerminal"


return function(options)
  local handler = plain(options)
  local busted = require "busted"

  busted.subscribe({ "suite", "end" }, function()
    io.write "\n"
    local failed = handler.failuresCount + handler.errorsCount
    local line = ("%d passed, %d failed"):format(handler.successesCount, failed)
    if handler.pendingsCount > 0 then
      line = ("%s, %d skipped"):format(line, handler.pendingsCount)
    end
    io.write(line, "\n")
    return nil, true
  end)

  return handler
end
