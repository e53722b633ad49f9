-- fake/journal.lua: a scripted store (fake/store.lua) that adds what is set to what is
-- there, as the connector "journal" does.

local script = require "fake.store"
local Reply = require "weir.core.reply"
local Request = require "weir.core.request"

local Journals = {}


local function size_of(data)
  local size = 0
  for _, bytes in pairs(data) do size = size + #bytes end
  return size
end


--- data: by the name of a file what is in it. store.room: bytes that all files may have
--- together; store:used() is what they have.
function Journals.store(host, data)
  local log = script.store(host, "log", { data = data })
  local run = log.run
  function log.used(self) return size_of(self.data) end
  function log.run(self, req)
    if req.op == "set" then
      local key = req.keys[1]
      if self.room and self:used() + #req.values[1] > self.room then
        return Reply.uniform(req, "nospace", "log: full", "log")
      end
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
