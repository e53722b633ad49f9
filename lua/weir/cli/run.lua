-- weir run: a Lua file inside the host, with `weir` in scope.
local Exit = require "weir.cli.exit"
local weir = require "weir"

local Run = {
  summary = "Run a Lua file, with `weir` in scope.",
  description = "Run a Lua file inside weir.run, with `weir` in scope and its "
    .. "arguments in `arg` and `...`. A number that it returns is the exit code.",
  passes_on = true,
}


function Run.define(command)
  command:argument "file"
    :description "The file; - is stdin. What follows it is the file's own."
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


function Run.run(args)
  local chunk = read(args.file)
  args.rest[0] = args.file
  rawset(_G, "weir", weir)
  rawset(_G, "arg", args.rest)
  local result = weir.run(chunk, unpack(args.rest))
  return type(result) == "number" and result or Exit.OK
end


return Run
