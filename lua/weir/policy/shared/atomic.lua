-- policy/shared/atomic.lua: how a word says that it cannot do an atomic op: one that
-- looks at the value that is there before it writes. A word over one store passes such
-- an op on. A word over several stores may do so only if one of them decides alone.
-- Class:refuses(op) returns why it may not, or nil.

local Reply = require "weir.core.reply"

local Atomic = {}

--- Of words that keep a key in several stores, any of which may answer for it.
Atomic.SEVERAL = "several stores may have the key, and none of them decides alone"


--- The reply to an atomic op that the word refuses; nil: it does not.
function Atomic.refuse(self, req)
  local why = self:refuses(req.op)
  return why and Reply.uniform(req, "unsupported",
    ("%s: cannot %s: %s"):format(self.name, req.op, why), self.name)
end


--- A `refuses` for words that can do none of them.
function Atomic.never()
  return Atomic.SEVERAL
end


return Atomic
