-- weir check: finds mistakes in a policy file that loads.
local Check = require "weir.language.check"
local Exit = require "weir.app.exit"
local Ffi = require "weir.ffi"
local Json = require "weir.app.show.json"
local Params = require "weir.language.params"
local weir = require "weir"

local C = Ffi.C

local Command = {
  summary = "Look a policy file over.",
  description = "Look a policy file over: whether it loads, and what in its tree "
    .. "cannot be meant. The file is code, and is run. Its stores are looked at, not "
    .. "used: no folder is made and nothing is connected. Exit code 1: there are "
    .. "findings.",
}


function Command.define(command)
  command:argument "file"
    :description "The policy file."
  command:flag "--json"
    :description "Print one JSON object a finding."
  Params.define(command)
end


function Command.run(args)
  Exit.params(args.set)
  return weir.run(function()
    C.weir_open_dry(1)
    local good, store = pcall(weir.load, args.file)
    C.weir_open_dry(0)
    if not good then Exit.fail(Exit.ERROR, "%s", tostring(store)) end
    Exit.params_used()
    local found = Check.run(store)
    for _, finding in ipairs(found) do
      if args.json then
        print(Json.encode(finding))
      else
        print(("%s: %s: %s"):format(args.file, finding.path, finding.message))
      end
    end
    if #found == 0 and not args.json then
      print(args.file .. ": nothing to find fault with")
    end
    store:close()
    return #found == 0 and Exit.OK or Exit.MISS
  end)
end


return Command
