-- app/repl/interpret.lua: runs a text that was typed: a dot command, or Lua, in the
-- background if it ends in &. Writes the result to the session's output and exit code.
local Binding = require "weir.app.repl.line.binding"
local Blame = require "weir.core.blame"
local Commands = require "weir.app.repl.line.commands"
local Error = require "weir.core.error"
local Evaluate = require "weir.app.repl.evaluate"
local Exit = require "weir.app.exit"
local Hints = require "weir.app.repl.hints"
local Host = require "weir.host"
local Store = require "weir.core.store"
local Tokens = require "weir.app.repl.line.tokens"
local Value = require "weir.core.value"
local words = require "weir.language.words"

local Interpret = {}

-- Tells whether a store has a method.
local function methods()
  local list = {}
  for name, method in pairs(Store) do
    if type(method) == "function" and not name:find "^__" then
      list[#list + 1] = name
    end
  end
  return list
end


-- A suggestion for an unknown name: another line, or the nearest name.
local function unknown(session, name, source)
  local hint = source:find("^%s*" .. name .. "%f[^%w_]") and Hints.of(session, source)
  return hint and hint ~= "" and hint or words.suggest(name, session.names)
end


-- An error as a sentence, with a suggestion for an unknown name.
local function sentence(session, err, source)
  if Error.is(err) then return err.code .. ": " .. tostring(err) end
  local text = Blame.sentence(err)
  local name = text:match "global '([%w_]+)' %(a nil value%)"
  if name then return text .. unknown(session, name, source) end
  name = text:match "call method '([%w_]+)' %(a nil value%)"
  return text .. (name and words.suggest(name, methods()) or Value.advice(text))
end


-- Handles a line that failed: an interruption, an error, or the end of the session.
local function report(session, err, source)
  if Exit.is(err) then error(err, 0) end
  if err == Host.KILLED then
    session.output:remark "cancelled"
    return
  end
  session.output:fail(sentence(session, err, source))
  session:worse(Exit.ERROR)
end


-- Runs fn so that Ctrl-C can end it. Returns the same as Lua's pcall.
local function run(session, fn, ...)
  if session.foreground then return session.foreground:run(fn, ...) end
  return pcall(fn, ...)
end


local function pack(...)
  return { n = select("#", ...), ... }
end


local function show(session, results, seconds)
  if results.n > 0 then session.variables._ = results[1] end
  session:worse(session.output:results(results))
  if session.output.time then session.output:took(seconds, session.level) end
end


local function evaluate(session, chunk, source)
  session.agreed, session.level = {}, nil
  -- Results may be anything: showing them can fail, or take long.
  local fine, err = run(session, function()
    local begun = Host.now()
    local results = pack(Evaluate.call(chunk))
    show(session, results, Host.now() - begun)
    local hint = results.n == 1 and results[1] == nil and Hints.of_word(session, source)
    if hint then session.output:remark(hint) end
  end)
  if not fine then report(session, err, source) end
end


-- Says that there is no such command, with what may have been meant: .get k is a verb.
local function no_command(session, name, rest)
  local meant = Hints.of(session, name .. " " .. rest)
  if meant == "" then meant = Commands.suggest(name) end
  session.output:fail(("no command is called .%s%s"):format(name, meant))
  session:worse(Exit.USAGE)
end


local function command(session, line)
  local name, rest = line:match "^%s*%.([%w_]*)%s*(.-)%s*$"
  local found = Commands.find(name)
  if not found then return no_command(session, name, rest) end
  local ready, args = pcall(function()
    if found.rest then return { text = rest } end
    local typed, err = Tokens.split(rest)
    return Binding.bind(found, session, typed or error(err, 0))
  end)
  if not ready then
    session.output:fail(args)
    return session:worse(Exit.USAGE)
  end
  session.agreed, session.level = {}, nil
  local begun, timed = Host.now(), session.output.time
  local fine, code = run(session, found.run, session:view(), args, session)
  if not fine then return report(session, code, line) end
  session:worse(code)
  timed = timed and session.output.time
  if timed then session.output:took(Host.now() - begun, session.level) end
end


-- An expression that ends in & is evaluated beside the lines that follow.
local function in_background(session, text)
  local expression = text:match "^(.-)%s*&%s*$"
  local chunk = expression and Evaluate.compile(expression, session.env)
  if not chunk then return false end
  session:background(chunk)
  return true
end


--- Runs a text. true: it needs more lines.
---@param session weir.Session
---@param source string
---@return boolean more
function Interpret.text(session, source)
  if not source:find "%S" then return false end
  if source:find "^%s*%." then
    command(session, source)
    return false
  end
  if in_background(session, source) then return false end
  local chunk, why = Evaluate.compile(source, session.env)
  if why == "more" then
    if not Hints.is_pattern(session, source) then return true end
    why = "a line of Lua does not end in *"
  end
  if chunk then
    evaluate(session, chunk, source)
  else
    session.output:fail(why .. Hints.of(session, source))
    session:worse(Exit.USAGE)
  end
  return false
end


return Interpret
