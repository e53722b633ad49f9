-- policy/quota/scan.lua: a scan of a quota: the memories one after the other, in the
-- order in which they were opened. A cursor is { at, inner }: the memory, and its own
-- cursor.

local Page = require "weir.policy.shared.scan_page"
local Reply = require "weir.core.reply"

local AT_ONCE = 64 -- memories that one page asks


-- The tenants whose memories a scan asks: all, or the only one of its prefix.
local function asked(self, prefix)
  local tenants = self.tenants
  local name, known = self.part:of_prefix(prefix)
  if not known then return tenants.list end
  return { name == nil and tenants.none or tenants:to_read(name) }
end


-- Leaves out keys that a get looks for in another memory, since their tenants have got
-- one of their own.
local function hide_moved(self, tenant, reply)
  if tenant ~= self.tenants.others then return end
  Page.filter(reply, function(keys)
    local keep = {}
    for i, key in ipairs(keys) do
      local name = self.part:of_key(key)
      keep[i] = name and self.tenants:to_read(name) == tenant
    end
    return keep
  end)
end


local function is_empty(reply)
  local page = reply:pointer(1)
  return not page or page.size == 0
end


--- Answers one page.
return function(self, req)
  local list = asked(self, req.keys[1])
  local cursor = req.cursors and req.cursors[1] or { at = 1 }
  local at, inner, reply = cursor.at, cursor.inner, nil
  for _ = 1, AT_ONCE do
    local tenant = list[at]
    if not tenant then break end
    local sub = req:within(req.deadline)
    sub.cursors = { inner }
    reply = tenant.store:run(sub)
    if reply[1] ~= "ok" then return reply end
    hide_moved(self, tenant, reply)
    inner = reply.cursors and reply.cursors[1]
    if not inner then at = at + 1 end
    if not is_empty(reply) then break end
  end
  if not reply then
    reply = Reply.new(req)
    reply:set(1, "ok", { value = "" })
  end
  reply.cursors = list[at] and { { at = at, inner = inner } } or nil
  return reply
end
