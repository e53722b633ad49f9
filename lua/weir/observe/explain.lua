-- observe/explain.lua: store:explain(op, key) tells which way a key would go and why,
-- without running anything: a list of { path, why }, parents first, that prints well.

local Paths = require "weir.observe.paths"

local Explain = {}
Explain.__index = Explain

local MOST = 2000 -- steps, of trees that share much


function Explain:__tostring()
  local lines = {}
  for i, step in ipairs(self) do
    lines[i] = ("%s%s: %s"):format(("  "):rep(step.depth), step.path, step.why)
  end
  return table.concat(lines, "\n")
end


-- The way ends at a store that is no node.
local function plan(store, op, key, atomic)
  local why = atomic and store.refuses and store:refuses(op)
  if why then return "unsupported: " .. why, {} end
  if store.plan then return store:plan(op, key) end
  local where = store.where and store:where(op, key)
  local name = tostring(store.name)
  return "answers: " .. name .. (where and ": " .. where or ""), {}
end


local function walk(steps, place, op, key, depth, atomic)
  if #steps >= MOST then return end
  local store = place.store
  local why, children = plan(store, op, key, atomic)
  steps[#steps + 1] = { path = place.path, why = why, depth = depth, word = store.word,
    name = store.name }
  local inner = store.inner_key and store:inner_key(key) or key
  local turns = {}
  for _, child in ipairs(children or {}) do
    turns[child] = (turns[child] or 0) + 1
    walk(steps, Paths.below(place, child, turns[child]), op, inner, depth + 1, atomic)
  end
end


--- The steps of an op for a key. atomic: it is an atomic op.
function Explain.run(store, op, key, atomic)
  local steps = setmetatable({}, Explain)
  walk(steps, Paths.of(store).list[1], op, key, 0, atomic)
  return steps
end


return Explain
