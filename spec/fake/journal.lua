-- fake/journal.lua: a scripted store (fake/store.lua) that adds what is set to what is
-- there, as the connector "journal" does.

local script = require "fake.store"
local Request = require "weir.core.request"

local Journals = {}


--- data: by the name of a file what is in it.
function Journals.store(host, data)
  local log = script.store(host, "log", { data = data })
  local run = log.run
  function log.run(self, req)
    if req.op == "set" then
      local key = req.keys[1]
      local values = { (self.data[key] or "") .. tostring(req.values[1]) }
      req = setmetatable({ op = "set", n = 1, keys = { key }, values = values },
        Request)
    end
    return run(self, req)
  end
  return log
end


--- A copy of the files, as a process that is killed leaves them.
function Journals.copy(data)
  local copied = {}
  for name, bytes in pairs(data) do copied[name] = bytes end
  return copied
end


return Journals
