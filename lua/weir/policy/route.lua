-- route { ["kv/"] = a, ["meta/"] = b, default = c }: sends each key to the store of the
-- longest prefix that it begins with. route(fn) sends it to the store that fn(key)
-- returns. As mcrouter's PrefixSelectorRoute. A batch is split, the stores are asked at
-- once, and each slot gets its own store's answer.

local ffi = require "ffi"
local Arguments = require "weir.policy.shared.arguments"
local Chain = require "weir.policy.shared.scan_chain"
local Node = require "weir.policy.shared.node"
local Paths = require "weir.observe.paths"
local Reply = require "weir.core.reply"
local Split = require "weir.policy.shared.split"
local C = require("weir.ffi").C

local longest_prefix = C.weir_longest_prefix
local Prefixes = ffi.typeof "struct weir_prefix[?]"

local Route = Node.word "route"
Route.REUSES = true

Route.HELP = "Each key goes to the store of the longest prefix that it begins with, or "
  .. "to default. route(fn) sends it to the store that fn(key) returns."
Route.EXAMPLE = 'route { ["kv/"] = a, ["meta/"] = b, default = c }'
Route.OPTIONS = {}

local NOWHERE = "route: no prefix fits the key, and there is no default"


local function begins(text, prefix)
  return text:sub(1, #prefix) == prefix
end


-- Makes the table of prefixes for C, and the list that keeps its strings alive.
local function sorted(at)
  local list = {}
  for prefix in pairs(at) do list[#list + 1] = prefix end
  table.sort(list)
  local rows, open = Prefixes(#list), {} -- those that begin the one at hand
  for i, prefix in ipairs(list) do
    while #open > 0 and not begins(prefix, list[open[#open]]) do open[#open] = nil end
    rows[i - 1] = { prefix, #prefix, open[#open] or 0 }
    open[#open + 1] = i
  end
  return rows, list
end


-- The index of a key's store.
local function pick_by_prefix(self, key)
  return self.by_row[longest_prefix(key, #key, self.rows, self.n_rows)]
end


local function by_prefix(given)
  local children, stores, at = {}, {}, {}
  for prefix, store in pairs(given) do
    if type(prefix) ~= "string" then
      error("route: a prefix is a string, not " .. Arguments.show(prefix), 0)
    end
    children[prefix] = Arguments.store("route", ("[%q]"):format(prefix), store)
    stores[#stores + 1] = store
    at[prefix] = #stores
  end
  if #stores == 0 then error("route: needs at least one prefix", 0) end
  local default = at.default or 0
  at.default = nil
  local rows, list = sorted(at)
  local by_row = { [0] = default }
  for i, prefix in ipairs(list) do by_row[i] = at[prefix] end
  return Route:node { children = children, stores = stores, prefixes = at,
    default = default, pick = pick_by_prefix, rows = rows, n_rows = #list,
    list = list, by_row = by_row }
end


-- Picks by the user's function. A store becomes known when the function first names it.
local function pick_by_function(self, key)
  local store = self.fn(key)
  if store == nil then return 0 end
  local at = self.known[store]
  if not at then
    Arguments.store("route", "what the function returns", store)
    at = #self.stores + 1
    self.stores[at], self.known[store] = store, at
  end
  return at
end


function Route.new(how)
  if type(how) == "function" then
    local stores = {}
    return Route:node { fn = how, known = {}, pick = pick_by_function,
      children = stores, stores = stores, immediate = false, bounded = false }
  end
  if type(how) ~= "table" or type(how.run) == "function" then
    error("route: takes { [\"prefix/\"] = store, default = store } or a function, not "
      .. Arguments.show(how), 0)
  end
  return by_prefix(how)
end


-- The parts of a scan, one for each prefix. A key of a store is listed only if it is
-- routed there by this prefix.
local function parts(self, asked)
  local list = {}
  for _, entry in ipairs(Paths.children(self)) do
    local label = entry[1]
    local at = label == "default" and self.default or self.prefixes[label]
    local prefix = Chain.overlap(label == "default" and "" or label, asked)
    if prefix then
      list[#list + 1] = { store = entry[2], prefix = prefix, keep = function(keys)
        local keep = {}
        for i, key in ipairs(keys) do keep[i] = self.pick(self, key) == at end
        return keep
      end }
    end
  end
  return list
end


local function scan(self, req)
  if self.fn then
    return Reply.uniform(req, "unsupported",
      "route: a function does not say which stores there are to list", self.name)
  end
  return Chain.scan(req, parts(self, req.keys[1]))
end


function Route:answer(req)
  if req.op == "scan" then return scan(self, req) end
  return Split.run(self, req, self.pick, NOWHERE)
end


function Route:plan(_, key)
  local store = self.stores[self.pick(self, key)]
  if not store then return NOWHERE, {} end
  if self.fn then return "the function chose " .. store.name, { store } end
  for length = #key, 0, -1 do
    local prefix = key:sub(1, length)
    if self.prefixes[prefix] then
      return ("the longest prefix that fits is %q"):format(prefix), { store }
    end
  end
  return "no prefix fits: default", { store }
end


return Route
