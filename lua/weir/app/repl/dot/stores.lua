-- .stores: the open stores.
local Json = require "weir.app.show.json"


local function facts(session, name)
  local list = {}
  if session.current == name then list[1] = "current" end
  if session.stores[name].prod then list[#list + 1] = "prod" end
  if session.read_only then list[#list + 1] = "read-only" end
  return list
end


return {
  name = "stores",
  summary = "List the open stores.",
  arguments = {},
  run = function(view, _, session)
    local rows = {}
    for i, name in ipairs(session.names) do
      local store = session.stores[name].inner
      local told = facts(session, name)
      view:object { name = name, store = store.name, facts = Json.list(told) }
      rows[i] = { name, store.name, table.concat(told, ", ") }
    end
    view:table(rows)
  end,
}
