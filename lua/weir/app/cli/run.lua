-- weir run: a Lua file inside the host, with `weir` in scope.
local Exit = require "weir.app.exit"
local Params = require "weir.language.params"
local Signals = require "weir.signals"
local Stats = require "weir.app.explore.stats"
local Made = require "weir.core.made"
local View = require "weir.app.explore.view"
local weir = require "weir"

local Run = {
  summary = "Run a Lua file, with `weir` in scope.",
  description = "Run a Lua file inside weir.run, with `weir` in scope and its "
    .. "arguments in `arg` and `...`. A number that it returns is the exit code. "
    .. "SIGINT and SIGTERM end it and its stores (exit codes 130 and 143); a second "
    .. "one ends it at once. weir.on_signal says what else to do.",
  passes_on = true,
  valued = { ["--set"] = true },
}


function Run.define(command)
  command:argument "file"
    :description "The file; - is stdin. What follows it is the file's own."
  command:flag "--stats"
    :description "Close with what its stores and policies have counted (on stderr)."
  Params.define(command)
end


local function read(path)
  local chunk, err
  if path == "-" then
    chunk, err = loadstring(io.read "*a", "=stdin")
  else
    chunk, err = loadfile(path)
  end
  return chunk or Exit.fail(Exit.ERROR, "%s", err)
end


-- The stores that are no part of another one.
local function roots(made)
  local inner, list = {}, {}
  for _, store in ipairs(made) do
    for _, child in pairs(store.children or {}) do inner[child] = true end
  end
  for _, store in ipairs(made) do
    if not inner[store] then list[#list + 1] = store end
  end
  return list
end


local function summarize(made)
  local function write(text) io.stderr:write(text, "\n") end
  local view = View.new { print = write, remark = write }
  for _, store in ipairs(roots(made)) do Stats.run(view, { store = store }) end
end


local function run(args, chunk)
  if not args.stats then return Signals.run(chunk, unpack(args.rest)) end
  local made = {}
  local stop = Made.listen(function(store) made[#made + 1] = store end)
  local good, result = pcall(Signals.run, chunk, unpack(args.rest))
  if not good and not Signals.is(result) then error(result, 0) end
  stop()
  io.stdout:flush()
  summarize(made)
  if not good then error(result, 0) end
  return result
end


function Run.run(args)
  local chunk = read(args.file)
  Exit.params(args.set)
  args.rest[0] = args.file
  rawset(_G, "weir", weir)
  rawset(_G, "arg", args.rest)
  rawset(_G, "param", Params.word())
  local result = run(args, chunk)
  Exit.params_used()
  return type(result) == "number" and result or Exit.OK
end


return Run
