-- The exit codes of the command, and how a subcommand ends early with one.
local Exit = {
  OK = 0,
  MISS = 1,
  USAGE = 2,
  ERROR = 3,
}

Exit.HELP = [[
Exit codes: 0 done; 1 a key was not there, or a value was not admitted; 2 the
command line is wrong; 3 a store, a file or a script failed.]]


--- fail ends the subcommand: the message goes to stderr behind its name.
---@param code integer
---@param message string
function Exit.fail(code, message, ...)
  error({ exit = code, message = message:format(...) }, 0)
end


--- worst returns the more serious of two codes.
function Exit.worst(a, b)
  return math.max(a, b)
end


return Exit
