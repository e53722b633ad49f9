-- busted's output: its plain one, then the files that took longest, then the closing
-- line that CI systems read, "N passed, N failed[, N skipped]". Named in .busted.
local plain = require "busted.outputHandlers.plainTerminal"
local monotime = require("system").monotime

local SLOWEST = 5


-- The files that took more than a second, slowest first.
local function print_slowest(seconds)
  local files = {}
  for file, took in pairs(seconds) do
    if took > 1 then files[#files + 1] = file end
  end
  table.sort(files, function(a, b) return seconds[a] > seconds[b] end)
  for i = 1, math.min(SLOWEST, #files) do
    io.write(("%6.1f s  %s\n"):format(seconds[files[i]], files[i]))
  end
end


return function(options)
  local handler = plain(options)
  local busted = require "busted"
  local seconds, started = {}, nil

  busted.subscribe({ "file", "start" }, function()
    started = monotime()
    return nil, true
  end)

  busted.subscribe({ "file", "end" }, function(file)
    seconds[file.name] = monotime() - started
    return nil, true
  end)

  busted.subscribe({ "suite", "end" }, function()
    io.write "\n"
    print_slowest(seconds)
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
