-- language/check.lua: finds mistakes in a tree that loads: `weir check FILE`. Each
-- finding says where and why. A rule is a function below that gets a node and the nodes
-- above it.

local Chain = require "weir.policy.shared.scan_chain"
local Paths = require "weir.observe.paths"
local Node = require "weir.policy.shared.node"
local Quotas = require "weir.language.quotas"
local status = require "weir.core.status"
local Writers = require "weir.language.writers"

local Check = {}


local function below(store, condition)
  local found = false
  Paths.each(store, function(node) found = found or condition(node) end)
  return found
end


local function above(stack, condition)
  for i = #stack - 1, 1, -1 do
    if condition(stack[i]) then return stack[i] end
  end
end


-- Whether a word is in the chain of words over a single store that begins here.
local function in_chain(store, word)
  while Node.is_wrapper(store) do
    if store.word == word then return true end
    store = store.child
  end
  return false
end


local function is(word)
  return function(node) return node.word == word end
end


local TIMED = { timeout = true, deadline = true }

local RULES = {}


-- An inner time that is not shorter never runs out.
function RULES.timeout(node, stack)
  if not TIMED[node.word] then return nil end
  local outer = above(stack, function(other) return TIMED[other.word] end)
  if outer and node.seconds >= outer.seconds then
    return ("%s(%g) is not shorter than the %s(%g) around it and never runs out")
      :format(node.word, node.seconds, outer.word, outer.seconds)
  end
end


-- Whether another attempt may have another outcome. It cannot if the store is in this
-- process, or if the status is final.
local function may_recover(node)
  if node.word == "fail" then return status.retry[node.status] ~= "no" end
  if node.handle then return not node.immediate end
  return not node.word or node.word == "policy" or node.word == "fault"
    or node.word == "origin"
end


function RULES.retry(node)
  if node.word ~= "retry" or below(node.child, may_recover) then return nil end
  return "nothing below can be mended by another attempt"
end


-- A store that answers in place has one request in flight at most.
function RULES.limit(node)
  if node.word == "limit" and node.adaptive and node.child.immediate then
    return "adaptive finds nothing out: the store below answers in place"
  end
end


-- A breaker outside would count several attempts as one call, and let all of them pass.
function RULES.breaker(node)
  if node.word ~= "breaker" or not in_chain(node.child, "retry") then return nil end
  return "stands outside a retry and counts its attempts as one call: "
    .. "write :breaker{}:retry{}"
end


-- To the words above, a delete that a spool keeps has not failed.
function RULES.spool(node)
  if node.word ~= "retry" and node.word ~= "breaker" then return nil end
  if not in_chain(node.child, "spool") then return nil end
  return ("stands outside a spool and hears of no failed delete: write :%s {}:spool {}")
    :format(node.word)
end


-- The seconds that a word around a hedge, or below it, allows a request.
local function shortest_time(node, stack)
  local outer = above(stack, function(other) return TIMED[other.word] end)
  local most = outer and outer.seconds
  local child = node.child
  while Node.is_wrapper(child) do
    if TIMED[child.word] then most = math.min(most or child.seconds, child.seconds) end
    child = child.child
  end
  return most
end


function RULES.hedge(node, stack)
  if node.word ~= "hedge" then return nil end
  if node.child.immediate then
    return "the store below answers in place, so there is nothing to wait for"
  end
  local delay, most = node.options.delay, shortest_time(node, stack)
  if type(delay) == "number" and most and delay >= most then
    return ("never sends again: delay = %g is not shorter than the %g s that a "
      .. "request may take"):format(delay, most)
  end
end


-- A null keeps nothing. With hit = true it even answers for values that the others
-- have.
function RULES.null(node)
  if node.word ~= "tier" then return nil end
  for i, child in ipairs(node.children) do
    local store = Node.bottom(child)
    if store.handle and store.name == "null" then
      return ("[%d] is a null, which keeps nothing: leave it out"):format(i)
    end
  end
end


-- Each set would fail at an origin above the authority.
function RULES.origin(node)
  if node.word ~= "tier" then return nil end
  for i = 1, #node.children - 1 do
    if Node.bottom(node.children[i]).word == "origin" then
      return ("[%d] is an origin, which keeps nothing: it belongs last"):format(i)
    end
  end
end


-- Acknowledged writes would stay dirty.
function RULES.back(node)
  if node.word ~= "tier" or not node.back then return nil end
  local last = node.children[#node.children]
  local refuses = in_chain(last, "readonly") or Node.bottom(last).word == "origin"
  return refuses and ("has write = back, but %s takes no writes, so none "
    .. "is ever flushed"):format(last.name) or nil
end


-- Encrypted bytes do not shrink.
function RULES.crypt(node)
  if node.word ~= "crypt" or not in_chain(node.child, "compress") then return nil end
  return "stands outside a compress, and encrypted bytes do not shrink: write "
    .. ":crypt(...):compress(...)"
end


-- What hides the writes of other processes from a tier over an shm, if anything does
-- (policy/shared/guarded.lua). Some words pass the guard of their store on.
local function hides(node)
  if node.back then return "write = back" end
  local first = node.children[1]
  return first.word and not first.guard and first.word or nil
end


-- The same for a mirror that has a store of several processes.
local function mirror_of_processes(node)
  local shared
  for i, child in ipairs(node.children) do shared = shared or child.guard and i end
  if not shared then return nil end
  if not node.guard then
    return ("[%d] is a %s over an shm: this mirror does not see what other processes "
      .. "write"):format(shared, Node.bottom(node.children[shared]).word)
  end
  return node.wanted < #node.children and ("[%d] is an shm, and ack is not \"all\": "
    .. "other processes do not know which stores lack a write"):format(shared) or nil
end


function RULES.shm(node)
  if node.word == "mirror" then return mirror_of_processes(node) end
  if node.word ~= "tier" then return nil end
  local store = Node.bottom(node.children[1])
  local shared = store.handle and store.name:find "^shm "
  if not shared and not (store.word == "mirror" and store.guard) then return nil end
  local what = shared and hides(node) or not shared and "mirror"
  return what and ("[1] is an shm, and %s hides what other processes write from the "
    .. "tier: copies may be older than that"):format(what)
end


RULES.quota = Quotas.check


-- Only the verbs of the outermost word are called.
function RULES.serialize(node, stack)
  local over = node.word == "serialize" and stack[#stack - 1]
  if over then
    return ("is below %s, whose verbs take no tables: write serialize last"):format(
      over.word or over.name)
  end
end


-- A tier writes down what its own sets evict, also values of the other tier.
local function shared_demotions(found, paths, root)
  local tiers = {}
  Paths.each(root, function(node)
    for _, child in ipairs(node.word == "tier" and node.children or {}) do
      local memory = child.word == "demote" and child.memory
      local other = memory and tiers[memory]
      if other then
        found[#found + 1] = { path = paths.path[node], rule = "demote",
          message = ("evicts values of %s, and writes them to its own store below")
            :format(paths.path[other]) }
      end
      if memory then tiers[memory] = other or node end
    end
  end)
end


-- Each spool has a folder of its own.
local function shared_spools(found, paths, root)
  local first = {}
  Paths.each(root, function(node)
    local path = node.word == "spool" and node.owner.options.path
    local other = path and first[path]
    if other then
      found[#found + 1] = { path = paths.path[node], rule = "spool",
        message = ("uses the folder of %s: every request fails"):format(
          paths.path[other]) }
    elseif path then
      first[path] = node
    end
  end)
end


function RULES.mirror(node, stack)
  if node.word ~= "mirror" or above(stack, is "limit") then return nil end
  for _, child in ipairs(node.children) do
    if not below(child, is "limit") then
      return "multiplies every write, and no limit holds it back"
    end
  end
end


-- For each child the prefix of all keys that reach it, given the prefix of those that
-- reach the node; false: no key does.
local function fronts(node, front)
  if node.word == "prefix" then return { node.text .. front } end
  local list = {}
  for _, entry in ipairs(Paths.children(node)) do
    local own = node.prefixes and entry[1] ~= "default" and entry[1] or ""
    list[#list + 1] = Chain.overlap(own, front) or false
  end
  return list
end


local function unreachable(found, paths, node, front, seen)
  if seen[node] then return end
  seen[node] = true
  local starts = fronts(node, front)
  for i, entry in ipairs(Paths.children(node)) do
    if starts[i] then
      unreachable(found, paths, entry[2], starts[i], seen)
    else
      found[#found + 1] = { path = paths.path[node], rule = "prefix",
        message = ("no key gets to [%q]: here they all begin with %q")
          :format(entry[1], front) }
    end
  end
end


-- Checks a store in each of its places, since other nodes stand above it in each.
local function visit(found, place, stack, seen)
  local node = place.store
  seen[node] = seen[node] or {}
  stack[#stack + 1] = node
  for rule, check in pairs(RULES) do
    local message = check(node, stack)
    if message and not seen[node][message] then
      seen[node][message] = true
      found[#found + 1] = { path = place.path, rule = rule, message = message }
    end
  end
  for _, child in ipairs(place.children) do visit(found, child, stack, seen) end
  stack[#stack] = nil
end


--- The findings for a tree: { path, rule, message }, by path.
---@param root weir.Store
---@return { path: string, rule: string, message: string }[]
function Check.run(root)
  if root.version then root = root.version.root end
  local found, paths = {}, Paths.of(root)
  visit(found, paths.list[1], {}, {})
  unreachable(found, paths, root, "", {})
  shared_demotions(found, paths, root)
  shared_spools(found, paths, root)
  Writers.check(found, paths, root)
  table.sort(found, function(a, b)
    if a.path ~= b.path then return a.path < b.path end
    return a.message < b.message
  end)
  return found
end


return Check
