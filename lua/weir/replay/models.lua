-- replay/models.lua: the words of connectors in a replay: each opens a model of the
-- store under the same options. `memory` is itself, with entries that have a size and
-- no bytes; the others follow their rules of capacity (models/sized.lua). What is wrong
-- with options is said by the connector, which is opened without being used.

local Catalog = require "weir.native.catalog"
local Meter = require "weir.replay.models.meter"
local Native = require "weir.native"
local Quantity = require "weir.core.quantity"
local Rules = require "weir.replay.models.rules"
local Sized = require "weir.replay.models.sized"
local Station = require "weir.replay.models.station"
local Store = require "weir.core.store"
local words = require "weir.language.words"
local Ffi = require "weir.ffi"

local C = Ffi.C

local Models = {}


--- A simulation: host; timed: stores take time; rules: of --model, by name; scale:
--- what capacities are multiplied by, for a sample of the keys; most_items: entries of
--- a store, of those modelled by rules; live: stores are the real ones. stores lists
--- what was opened, in order.
function Models.world(host, opts)
  opts = opts or {}
  return { host = host, timed = opts.timed or false, rules = opts.rules or {},
    live = opts.live, scale = opts.scale or 1, most_items = opts.most_items,
    stores = {}, labels = {},
    phase = { filling = false } }
end


local function label_of(world, connector)
  local n = (world.labels[connector] or 0) + 1
  world.labels[connector] = n
  return n == 1 and connector or connector .. "#" .. n
end


local function number_of(x)
  return type(x) == "number" and x or x and Quantity.size(x) or nil
end


local function option(info, options, name)
  if options[name] ~= nil then return options[name] end
  for _, row in ipairs(info.options) do
    if row.name == name then return row.default end
  end
end


-- Asks the connector whether the options are right: those of a table, or of a URL and a
-- table. Returns how many workers the store would have. Errors point `level` frames up,
-- or nowhere at 0.
local function look(target, options, level)
  local before = C.weir_open_dry(1)
  local good, store = pcall(Native.open, target, options, 1)
  C.weir_open_dry(before)
  if not good then
    error((tostring(store):gsub("^[^:\n]+%.lua:%d+: ", "")),
      level > 0 and level + 1 or 0)
  end
  local workers = store:stats().workers
  store:close()
  return workers
end


local function scaled(world, options, name)
  local x = number_of(options[name])
  if x and x > 0 and world.scale ~= 1 then
    options[name] = math.max(math.floor(x * world.scale + 0.5), 1)
  end
end


-- Counts what a C store does; run(req) does it.
local function watch(store, meter, run)
  store.bodiless = meter.rules ~= nil -- a live store has bytes
  function store.run(_, req)
    local reply = run(req)
    local op = req.op
    local good = reply.good or reply:count "good"
    local bytes = op == "get" and good > 0 and reply:bytes() or op == "set" and
      req:bytes() or 0
    meter:count(op, req.keys, reply, good, bytes)
    return reply
  end
  store.run_slots = false
  for _, verb in ipairs { "get", "set", "get_many" } do store[verb] = Store[verb] end
end


-- Counts what a memory store does. station: how long it takes, or nil: it answers in
-- place.
local function watch_memory(store, meter, host, station)
  local run = store.run
  watch(store, meter, function(req)
    if station then station:pass(host, req) end
    return run(store, req)
  end)
  if station then store.immediate = false end
end


--- The options of a memory store whose entries have a size and no bytes.
function Models.without_bytes(options)
  local given = {}
  for name, value in pairs(options) do given[name] = value end
  given.bodies = false
  return given
end


local function open_memory(world, info, options, level)
  local given = Models.without_bytes(options)
  if given.capacity == nil then given.capacity = option(info, options, "capacity") end
  scaled(world, given, "capacity")
  scaled(world, given, "capacity_items")
  local store = Native.open("memory", given, level + 1)
  store.shared = true -- its values have no bytes to charge to the collector
  local label = label_of(world, "memory")
  local rules = Rules.of(world.rules, "memory", label, 1)
  local meter = Meter.new(label, "memory", rules, world.phase)
  local takes_time = world.timed and (world.rules.memory or world.rules[label])
  meter:ask_store(store)
  watch_memory(store, meter, world.host, takes_time and Station.new(rules) or nil)
  world.stores[#world.stores + 1] = { store = store, meter = meter,
    items = number_of(given.capacity_items) }
  return store
end


-- url: nil, or where the options come from.
local function open_sized(world, info, options, level, url)
  local connector = info.name
  local workers = look(url or connector, options, level > 0 and level + 1 or 0)
  local label = label_of(world, connector)
  local rules = Rules.of(world.rules, connector, label, workers)
  local capacity = rules.capacity > 0 and rules.capacity
    or number_of(option(info, options, "capacity")) or 0
  local ttl = option(info, options, "ttl")
  ttl = type(ttl) == "string" and Quantity.seconds(ttl) or tonumber(ttl)
  local meter = Meter.new(label, connector, rules, world.phase)
  local store = Sized.new(world, meter, {
    name = connector, connector = connector, rules = rules,
    capacity = math.floor(capacity * world.scale + 0.5),
    ttl = ttl and ttl > 0 and ttl or nil,
  })
  world.stores[#world.stores + 1] = { store = store, meter = meter }
  return store
end


-- The word of one connector.
local function word(world, connector)
  local info = Catalog.describe(connector)
  local open = connector == "memory" and open_memory or open_sized
  return function(options)
    if options ~= nil and type(options) ~= "table" then
      error(("%s takes a table of options, not a %s"):format(connector, type(options)),
        2)
    end
    local store = open(world, info, options or {}, 2)
    return store
  end
end


-- The word of one connector that opens the real store, and counts what it does.
local function live_word(world, connector)
  return function(options)
    local store = Native.open(connector, options or {}, 2)
    local label = label_of(world, connector)
    local meter = Meter.new(label, connector, nil, world.phase)
    watch(store, meter, function(req)
      local began = world.host.now()
      local reply = getmetatable(store).run(store, req)
      meter:time(req.op, world.host.now() - began)
      return reply
    end)
    world.stores[#world.stores + 1] = { store = store, meter = meter }
    return store
  end
end


--- The words of all connectors, as load.lua takes them under `stores`.
---@return table<string, function>
function Models.words(world)
  local list, make = {}, world.live and live_word or word
  for _, connector in ipairs(words.connectors()) do
    list[connector] = make(world, connector)
  end
  return list
end


--- nil, or a sentence about a name of --model that no store of the world has. compared:
--- the rules are for another file, too, which may have stores of other connectors.
---@param compared boolean?
---@return string?
function Models.unknown_rule(world, compared)
  local names, known = {}, {}
  local function add(name)
    if not known[name] then names[#names + 1] = name end
    known[name] = true
  end
  for _, entry in ipairs(world.stores) do
    add(entry.meter.connector)
    add(entry.meter.label)
  end
  for _, name in ipairs(compared and words.connectors() or {}) do add(name) end
  local given = {}
  for name in pairs(world.rules) do given[#given + 1] = name end
  table.sort(given)
  for _, name in ipairs(given) do
    if not known[name] and not (compared and known[name:match "^[^#]+"]) then
      return ("--model: no store is called %q%s"):format(name, Ffi.suggest(name, names))
    end
  end
end


--- The options in a URL, or of a connector's name, with others on top.
---@param url string
---@param more table<string, any>?
function Models.options(url, more)
  local options = {}
  for name, value in (url:match "%?(.*)$" or ""):gmatch "([^&=]+)=([^&]*)" do
    options[name] = value
  end
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end


--- A model of the store of a URL, or of a connector's name.
---@param url string
---@param more table<string, any>? options that win over the URL's
function Models.open(world, url, more)
  local scheme = url:match "^([%w+.-]+):" or url:match "^[^?]*"
  local info, err = Catalog.describe(scheme)
  if not info then error(tostring(err), 0) end
  local options = Models.options(url, more)
  if info.name == "memory" then return open_memory(world, info, options, 0) end
  return open_sized(world, info, options, 0, url)
end


return Models
