-- weir get: values to stdout.
local Bytes = require "weir.app.show.bytes"
local Exit = require "weir.app.exit"
local Outcome = require "weir.app.cli.outcome"
local Target = require "weir.app.cli.target"

local Get = {
  summary = "Write the values of keys to stdout.",
  description = "Write the values of keys to stdout, byte for byte, in order, with "
    .. "nothing between or after them.",
}


function Get.define(command)
  Target.define(command)
  Target.keys(command, "+")
end


function Get.run(args)
  return Target.use(args, function(store, options)
    local reply = store:get_many(args.key, options)
    return Outcome.each(args, args.key, reply, function(i)
      Exit.write(reply:string(i))
    end, function(object, i)
      if reply:string(i) then
        object.size = reply:size(i)
        Bytes.put(object, "value", reply:string(i))
      end
    end)
  end)
end


return Get
