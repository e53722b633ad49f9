-- The exit codes of the command, how a subcommand ends early with one, and says why.
local Json = require "weir.app.show.json"
local Literal = require "weir.app.show.literal"
local Params = require "weir.language.params"

local Exit = {
  OK = 0,
  MISS = 1,
  USAGE = 2,
  ERROR = 3,
  INTERRUPTED = 130,
  SIGNALED = 128, -- and the number of the signal
}

Exit.CUT = "cannot write the output"

Exit.HELP = [[
Exit codes: 0 done; 1 a key was not there, a value was not admitted, or what
was compared or checked differs; 2 the command line is wrong; 3 a store, a
file or a script failed; 130 interrupted. With --json, a command that ends
early also writes {"error":..., "exit":...} to stdout.]]


-- The class of the errors that fail raises.
local Failure = {}


--- fail ends the subcommand: the message goes to stderr behind its name.
---@param code integer
---@param message string
function Exit.fail(code, message, ...)
  error(setmetatable({ exit = code, message = message:format(...) }, Failure), 0)
end


-- A sentence without the part between :// and @ of a URL in it.
local function without_passwords(text)
  return (text:gsub("://[^\n]*@", "://...@"))
end


--- params reads what --set gave; params_used fails when no file declares one of them.
---@param list string[]
function Exit.params(list)
  local good, why = Params.read(list)
  if not good then Exit.fail(Exit.USAGE, "--set: %s", why) end
end


function Exit.params_used()
  local why = Params.unknown()
  if why then Exit.fail(Exit.USAGE, "--set: %s", why) end
end


--- complain writes a sentence to stderr, without control characters or passwords: a
--- server's words or a URL may be in it.
---@param text string
---@param command string? whose complaint it is
function Exit.complain(text, command)
  local who = command and "weir " .. command or "weir"
  io.stderr:write(who .. ": " .. Literal.harmless(without_passwords(text)) .. "\n")
end


--- report writes the last line of --json when a subcommand ends early: { error, exit },
--- with the code and the store of a store's error.
---@param failure { message: string, exit: integer, code: string?, store: string? }
function Exit.report(failure)
  io.stdout:write(Json.encode {
    error = without_passwords(failure.message), exit = failure.exit,
    code = failure.code, store = failure.store,
  }, "\n")
  io.stdout:flush()
end


--- write writes to stdout, and ends the subcommand when that cannot be.
function Exit.write(...)
  if not io.stdout:write(...) then Exit.fail(Exit.ERROR, Exit.CUT) end
end


--- write_file writes a file anew, and ends the subcommand when that cannot be.
---@param path string
---@param text string
function Exit.write_file(path, text)
  local file, why = io.open(path, "w")
  if not file then Exit.fail(Exit.ERROR, "%s", why) end
  local written, cut = file:write(text)
  local closed, late = file:close()
  if written and closed then return end
  Exit.fail(Exit.ERROR, "%s: %s", path, cut or late)
end


--- is tells fail's error from others.
function Exit.is(err)
  return getmetatable(err) == Failure
end


--- worst returns the more serious of two codes.
function Exit.worst(a, b)
  return math.max(a, b)
end


return Exit
