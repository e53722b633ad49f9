-- laws/tree.lua: random trees of policies over scripted stores, as descriptions that
-- can be built more than once, printed, and read by the model in laws/model.lua.

local Policies = require "weir.language.policies"
local script = require "fake.store"
local status = require "weir.core.status"

local words = Policies.words

local Tree = {}

Tree.KEYS = { "a1", "a2", "b1", "b2", "c1", "c{t}2" }

local ERRORS = { "busy", "unavailable", "timeout", "reset", "failed", "nospace",
  "corrupt", "denied" }

local function pick(random, list)
  return list[math.floor(random() * #list) + 1]
end

Tree.pick = pick


-- ---- words: how many children, what parameters, how to build ----

local PROMOTE = { always = words.always, never = words.never,
  ["hits(2)"] = words.hits(2), ["maxsize(2)"] = words.maxsize(2) }

local function single(word, given)
  return { 1, function() return { text = word } end,
    function(kids) return words[word](kids[1], given) end }
end

local HASHES = { "rendezvous", "jump", "ketama", "slots", "ch3", "crc32" }

-- Seconds from now: long before the change, shortly before, shortly after, long after.
local MOMENTS = { 2e6, 1e5, -1e5, -2e6 }

local MANY = {
  quota = { { 0, 0 }, function(random)
    return { by = pick(random, { "^%a", "^(.-){", "^p/(.)" }),
      most = pick(random, { 1, 2 }) }
  end, function(_, p)
    return words.quota { by = p.by, default = "64KiB", max_tenants = p.most }
  end },
  tier = { { 2, 3 }, function(random)
    return { write = pick(random, { "through", "around" }),
      promote = pick(random, { "always", "never", "hits(2)", "maxsize(2)" }),
      stale = random() < 0.3 }
  end, function(kids, p)
    kids.write, kids.promote = p.write, PROMOTE[p.promote]
    if p.stale then kids.stale_while, kids.stale_if_error = 10, 100 end
    return words.tier(kids)
  end },
  route = { { 2, 3 }, function() return {} end, function(kids)
    return words.route { a = kids[1], ["b"] = kids[3] or kids[2], default = kids[2] }
  end },
  shard = { { 2, 3 }, function(random)
    return { hash = pick(random, HASHES),
      replicas = pick(random, { 1, 1, 2 }) }
  end, function(kids, p)
    kids.hash, kids.replicas, kids.names = p.hash, p.replicas, {}
    for i = 1, #kids do kids.names[i] = "n" .. i end
    return words.shard(kids)
  end },
  mirror = { { 2, 3 }, function(random)
    return { ack = pick(random, { "all", 1, 2, "first" }),
      read = pick(random, { "first", "fastest" }),
      ["repair"] = random() < 0.3 }
  end, function(kids, p)
    kids.ack, kids.read, kids["repair"] = p.ack, p.read, p["repair"]
    return words.mirror(kids)
  end },
  failover = { { 2, 3 }, function(random)
    return { on = pick(random, { "error", "miss" }),
      order = pick(random, { "listed", "hash" }), max = pick(random, { 2, 3 }) }
  end, function(kids, p)
    kids.on, kids.order, kids.max_tries = p.on, p.order, p.max
    return words.failover(kids)
  end },
  bysize = { { 2, 3 }, function() return {} end, function(kids)
    local list = {}
    for i, kid in ipairs(kids) do list[i] = i < #kids and { 2 * i, kid } or kid end
    return words.bysize(list)
  end },
  byop = { { 1, 1 }, function() return {} end, function(kids)
    return words.byop { default = kids[1] }
  end },
  percent = { { 2, 3 }, function() return {} end, function(kids)
    local list = {}
    for i, kid in ipairs(kids) do
      if i < #kids then list[#list + 1] = 40 end
      list[#list + 1] = kid
    end
    return words.percent(list)
  end },
  warmup = { { 2, 2 }, function() return {} end, function(kids)
    return words.warmup(kids)
  end },
  migrate = { { 2, 2 }, function(random) return { at = pick(random, MOMENTS) } end,
    function(kids, p)
      return words.migrate { from = kids[1], to = kids[2], at = os.time() + p.at,
        over = 1e6 }
    end },
}

local ONE = {
  retry = { 1, function(random) return { times = pick(random, { 1, 2, 3 }) } end,
    function(kids, p)
      return words.retry(kids[1], { p.times, budget = false, base = 0.001 })
    end },
  timeout = single("timeout", 50),
  deadline = single("deadline", 60),
  breaker = single("breaker", { min = 1000, window = 1000 }),
  limit = { 1, function(random)
    return { adaptive = pick(random, { false, "gradient", "vegas" }) }
  end, function(kids, p)
    return words.limit(kids[1], { inflight = 100, bytes = 1e6, rate = 1e6,
      burst = 1000, adaptive = p.adaptive or nil })
  end },
  hedge = single("hedge", { delay = 0.03, budget = 1 }),
  coalesce = single "coalesce",
  negative = single("negative", { ttl = 1000 }),
  ttl = { 1, function(random) return { how = pick(random, { "max", "force" }) } end,
    function(kids, p)
      return words.ttl(kids[1], { 1000, max = p.how == "max" and 1000 or nil,
        force = p.how == "force" })
    end },
  prefix = single("prefix", "p/"),
  tap = single("tap", function() end),
  meter = single("meter", "m"),
  admit = single("admit", words.maxsize(100)),
  delay = single("delay", { 0.001, spread = 0.5 }),
  fault = single("fault", { 0.2, status = "busy", seed = 7 }),
  readonly = single "readonly",
  pin = single("pin", { function(key) return key:match "a%d$" ~= nil end,
    capacity = "64KiB" }),
  -- Nothing is sent again: the faults of the stores last for ever.
  spool = { 1, function() return {} end, function(kids)
    local node = words.spool(kids[1], { "spool", every = 1000 })
    node.owner.pending.flusher:stop()
    return node
  end },
  compress = single("compress", { above = 1, plain = "accept" }),
  checksum = single("checksum", { plain = "accept" }),
  chunk = single("chunk", { 100, plain = "accept" }),
  -- With pieces, whose keys differ from run to run.
  pieces = { 1, function() return { text = "pieces" } end, function(kids)
    return words.chunk(kids[1], { 2, plain = "accept" })
  end },
  shadow = { 1, function() return { text = "shadow" } end, function(kids)
    return words.shadow(kids[1], { words.fail "busy" })
  end },
}

local NAMES = {}
for name in pairs(MANY) do NAMES[#NAMES + 1] = name end
for name in pairs(ONE) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)
Tree.WORDS = NAMES


-- ---- descriptions ----

local function leaf(random, count, opts)
  count.leaves = count.leaves + 1
  local desc = { leaf = "s" .. count.leaves, data = {}, faults = {}, takes = nil }
  for _, key in ipairs(Tree.KEYS) do
    if random() < 0.5 then desc.data[key] = ("v"):rep(1 + math.floor(random() * 6)) end
    for _, op in ipairs { "get", "set", "delete", "exists", "incr" } do
      if random() < opts.faults then
        desc.faults[op .. " " .. key] = pick(random, ERRORS)
      end
    end
  end
  desc.origin = not opts.lists and random() < 0.15
  if opts.slow then
    desc.takes = random() < 0.5 and random() * opts.slow or nil
    desc.deaf = opts.deaf and random() < 0.5
  end
  return desc
end


--- A random description. opts: faults, a rate; slow, seconds at most; deaf; only, a
--- list of words; lists: no leaf is an origin, which lists no keys. word: the one at
--- the root.
function Tree.random(random, depth, opts, count, word)
  count = count or { leaves = 0 }
  if depth == 0 or not word and random() < 0.2 then return leaf(random, count, opts) end
  word = word or pick(random, opts.only or NAMES)
  local entry = MANY[word] or ONE[word]
  local kids = type(entry[1]) == "table"
    and entry[1][1] + math.floor(random() * (entry[1][2] - entry[1][1] + 1)) or 1
  local desc = { word = word, params = entry[2](random), kids = {} }
  for i = 1, kids do
    desc.kids[i] = Tree.random(random, depth - 1, opts, count)
  end
  return desc
end


-- An origin whose function reads a store.
local function origin_over(store)
  return words.origin(function(keys, req)
    local reply = store:run(req:with { op = "get" })
    local values, errors = {}, {}
    for i, key in ipairs(keys) do
      values[key] = reply:string(i)
      errors[key] = status.class[reply[i]] == "error" and reply[i] or nil
    end
    return values, errors
  end)
end


local function build_leaf(host, desc, prefix, leaves)
  local store = script.store(host, desc.leaf, { takes = desc.takes, deaf = desc.deaf })
  for key, value in pairs(desc.data) do store.data[prefix .. key] = value end
  function store.script(op, key)
    return desc.faults[op .. " " .. key:sub(#prefix + 1)]
  end
  store.maybe_applied = false
  leaves[#leaves + 1] = store
  return desc.origin and origin_over(store) or store
end


--- Builds a description; returns the root and the list of its scripted stores.
function Tree.build(host, desc, prefix, leaves)
  prefix, leaves = prefix or "", leaves or {}
  if desc.leaf then return build_leaf(host, desc, prefix, leaves), leaves end
  local below = desc.word == "prefix" and prefix .. "p/" or prefix
  local kids = {}
  for i, kid in ipairs(desc.kids) do
    kids[i] = Tree.build(host, kid, below, leaves)
  end
  local build = (MANY[desc.word] or ONE[desc.word])[3]
  desc.node = build(kids, desc.params)
  return desc.node, leaves
end


-- ---- as text, to be read and shortened by hand ----

local function facts(list)
  local parts = {}
  for name, value in pairs(list) do
    parts[#parts + 1] = ("[%q]=%q"):format(tostring(name), tostring(value))
  end
  table.sort(parts)
  return table.concat(parts, " ")
end


function Tree.text(desc, indent)
  indent = indent or "    "
  if desc.leaf then
    return ("%s%s data { %s } faults { %s } takes=%s deaf=%s%s"):format(indent,
      desc.leaf, facts(desc.data), facts(desc.faults), tostring(desc.takes),
      tostring(desc.deaf), desc.origin and " origin" or "")
  end
  local lines = { ("%s%s { %s }"):format(indent, desc.word, facts(desc.params)) }
  for _, kid in ipairs(desc.kids) do
    lines[#lines + 1] = Tree.text(kid, indent .. "  ")
  end
  return table.concat(lines, "\n")
end


return Tree
