-- language/foreign.lua: words of others, mostly of mcrouter, that are no words here,
-- and how each is written here. Used when a policy file names one. lua/README.md has
-- the same list with what differs; spec/lua/foreign_spec.lua compares them.

local Foreign = {}

local MEANT = {
  latest = "failover { a, b }",
  miss_failover = 'failover { a, b, on = "miss" }',
  spread = 'failover { a, b, order = "hash" }',
  random = 'failover { a, b, order = "hash" }',
  pick = 'route { ["name/"] = a, default = b }',
  stage = "old:shadow { tier { new, old:readonly() } }",
  all_sync = "mirror { a, b }",
  all_fastest = 'mirror { a, b, ack = "first", read = "fastest" }',
  asynclog = 'far:spool { path = "/var/lib/weir/spool" }',
  modify_exptime = "far:ttl { max = 60 }",
  operation_selector = "byop { get = a, default = b }",
}


--- Each of the words: what is meant, as it is written here.
Foreign.MEANT = MEANT


--- "; write X", or nil: no such word of others is known.
---@param name any
---@return string?
function Foreign.suggest(name)
  local meant = MEANT[name]
  return meant and "; write " .. meant or nil
end


return Foreign
