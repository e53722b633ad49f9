-- laws/cases.lua: one random case of each kind. A case takes a seed, builds what it
-- needs from it and raises a sentence when a law is broken.

local ffi = require "ffi"
local fake = require "fake"
local model = require "laws.model"
local tree = require "laws.tree"
local status = require "weir.core.status"

local Cases = {}

local class = status.class


-- ---- what the cases share ----

-- Some of the keys, duplicates likely.
local function some_keys(random)
  local keys = {}
  for i = 1, 1 + math.floor(random() * 8) do keys[i] = tree.pick(random, tree.KEYS) end
  return keys
end


-- One value for each key, so that duplicates agree.
local function values_for(keys, size)
  local values = {}
  for i, key in ipairs(keys) do values[i] = (key:sub(1, 1)):rep(size) end
  return values
end


local function run_op(store, op, keys, opts, size)
  if op == "set" then
    return store:set_many(keys, values_for(keys, size or 3), opts)
  end
  return store[op .. "_many"](store, keys, opts)
end


-- Runs fn as a task until nothing is left to do, background work included.
local function settle(host, fn)
  local result
  host:main(function() result = fn() end)
  return result
end


local function words_without(...)
  local list = {}
  for _, word in ipairs(tree.WORDS) do
    local keep = true
    for i = 1, select("#", ...) do keep = keep and word ~= select(i, ...) end
    if keep then list[#list + 1] = word end
  end
  return list
end


-- Every word takes its turn at the root, in every kind of case.
local function random_tree(random, seed, opts)
  local words = opts.only or tree.WORDS
  return tree.random(random, math.floor(random() * 4) + 1, opts, nil,
    words[math.floor(seed / #Cases.KINDS) % #words + 1])
end


local function check(condition, format, ...)
  if not condition then error(format:format(...), 0) end
end


local function has_word(desc, word)
  local found = desc.word == word
  for _, kid in ipairs(desc.kids or {}) do found = found or has_word(kid, word) end
  return found
end


-- What must be at rest when nothing is left to do.
local function check_rest(node)
  for _, child in pairs(node.children or {}) do check_rest(child) end
  if node.word == "limit" then check(node.calls == 0, "a permit of limit was lost") end
  if node.word == "coalesce" then
    check(next(node.reads) == nil and node.n_reads == 0, "a shared read was left over")
  end
  if node.keys and type(node.keys) == "table" and node.keys.locked then
    check(next(node.keys.locked) == nil, "%s: a lock was left over", node.name)
  end
end


-- ---- laws 1, 3, 4, 6: positions, residuals, misses and errors, worst and best ----

-- Whether a value may be copied of which chunk then reads the head again, to find out
-- how long it has to live.
local function reads_heads(desc)
  return has_word(desc, "chunk")
    and (has_word(desc, "tier") or has_word(desc, "mirror") or has_word(desc, "warmup"))
end


-- No store is asked twice for a key in a request, nor again after a good answer.
local function check_leaves(leaves, op, desc)
  for _, leaf in ipairs(leaves) do
    for _, line in ipairs(leaf.log) do
      local seen = {}
      for key in line:match "^%S+ (.*)$":gmatch "[^,]+" do
        check(not seen[key], "law 1: %s was asked twice for %s in %q", leaf.name, key,
          line)
        seen[key] = true
      end
    end
    for key, times in pairs(op == "get" and not reads_heads(desc) and leaf.good_reads
      or {}) do
      check(times == 1, "law 3: %s was asked again for %s", leaf.name, key)
    end
  end
end


local OPS = { "get", "set", "exists", "delete" }

function Cases.model(seed)
  local random = fake.generator(seed)
  local desc = random_tree(random, seed, { faults = 0.15,
    only = words_without("fault", "pieces") })
  local host = fake.host { seed = seed }
  local root, leaves = tree.build(host, desc)
  local op, keys = tree.pick(random, OPS), some_keys(random)
  local size = 1 + math.floor(random() * 6)
  local reply = settle(host, function() return run_op(root, op, keys, nil, size) end)
  check(#reply == #keys, "law 1: %d slots for %d keys", #reply, #keys)
  for i, key in ipairs(keys) do
    local want = model.expect(desc, op, key, size)
    check(not want or class[reply[i]] == want, "laws 4, 6: %s %s is %s, expected %s",
      op, key, tostring(reply[i]), want)
    for j = 1, i - 1 do
      check(keys[j] ~= key or reply[j] == reply[i], "law 1: %s has two answers", key)
      check(keys[j] ~= key or reply:string(j) == reply:string(i),
        "law 1: %s has two values", key)
    end
  end
  check_leaves(leaves, op, desc)
  check_rest(root)
  return desc
end


-- ---- law 2: a batch is its keys, one by one ----

-- A tree that was used for a while without faults.
local function warmed(seed, desc, ops)
  local host = fake.host { seed = seed }
  local root, leaves = tree.build(host, desc)
  for _, leaf in ipairs(leaves) do leaf.faulty, leaf.script = leaf.script, nil end
  for _, op in ipairs(ops) do
    settle(host, function() return run_op(root, op[1], op[2], nil, op[3]) end)
  end
  for _, leaf in ipairs(leaves) do leaf.script = leaf.faulty end
  return host, root
end


-- Gives a key the same value in every store that has it.
local function agree(desc, values)
  for key, value in pairs(desc.data or {}) do
    values[key] = values[key] or value
    desc.data[key] = values[key]
  end
  for _, kid in ipairs(desc.kids or {}) do agree(kid, values) end
end


function Cases.batches(seed)
  local random = fake.generator(seed)
  local cut = random() < 0.3
  local desc = random_tree(random, seed, { faults = 0.15, lists = cut,
    only = words_without(cut and "fault" or "pieces") })
  -- Of a mirror the store counts that is the fastest, for this key or for all.
  if has_word(desc, "mirror") then agree(desc, {}) end
  local ops = {}
  for i = 1, math.floor(random() * 3) do
    local size = 1 + math.floor(random() * 6)
    ops[i] = { tree.pick(random, OPS), some_keys(random), size }
  end
  local op, keys = tree.pick(random, OPS), some_keys(random)
  local host, root = warmed(seed, desc, ops)
  local batch = settle(host, function() return run_op(root, op, keys) end)
  host, root = warmed(seed, desc, ops)
  local asked = {}
  for i, key in ipairs(keys) do
    asked[key] = asked[key] or settle(host, function()
      return run_op(root, op, { key })
    end)
    local single = asked[key]
    check(single[1] == batch[i], "law 2: %s %s is %s alone and %s in the batch", op,
      key, single[1], batch[i])
    check(single:string(1) == batch:string(i), "law 2: %s has two values", key)
  end
  return desc
end


-- ---- law 5, and cancellation ----

local SLOW = 0.1

-- Requests that reach a store end no later than the one at the root does.
local function watch_deadlines(leaves, deadline)
  for _, leaf in ipairs(leaves) do
    local run = leaf.run
    function leaf.run(self, req)
      if req.op == "get" then
        check(req.deadline and req.deadline <= deadline + 1e-9,
          "law 5: %s was given until %s, the caller has until %s", self.name,
          tostring(req.deadline), deadline)
      end
      return run(self, req)
    end
  end
end


function Cases.deadlines(seed)
  local random = fake.generator(seed)
  local desc = random_tree(random, seed, { faults = 0.1, slow = SLOW,
    only = words_without("tap", "delay") })
  local host = fake.host { seed = seed }
  local root, leaves = tree.build(host, desc)
  local deadline = host.now() + 0.001 + random() * SLOW * 2
  watch_deadlines(leaves, deadline)
  local keys, ended = some_keys(random), nil
  local reply = settle(host, function()
    local answer = run_op(root, "get", keys, { deadline = deadline })
    ended = host.now()
    return answer
  end)
  check(ended <= deadline + 1e-6, "law 5: %g s late", ended - deadline)
  for i = 1, #keys do check(class[reply[i]], "law 5: slot %d has no status", i) end
  check_rest(root)
  return desc
end


-- Callers that are killed at any time leave nothing behind, and harm no others.
function Cases.kills(seed)
  local random = fake.generator(seed)
  local desc = random_tree(random, seed, { faults = 0.1, slow = SLOW })
  local host = fake.host { seed = seed }
  local root = tree.build(host, desc)
  local left, tasks = 0, {}
  host:main(function()
    for i = 1, 4 do
      local op, keys = tree.pick(random, OPS), some_keys(random)
      local survives = i == 1 or random() < 0.5
      left = left + (survives and 1 or 0)
      tasks[i] = host.spawn(function()
        local reply = run_op(root, op, keys)
        if survives then left = left - 1 end
        check(#reply == #keys, "a caller got %d of %d slots", #reply, #keys)
      end)
      if not survives then
        local task = tasks[i]
        host.timer(random() * SLOW, function() host.kill(task) end)
      end
    end
  end)
  check(left == 0, "%d callers never had an answer", left)
  check_rest(root)
  return desc
end


-- ---- law 7: buffers ----

local POISON, CAP = 0x5a, 16

local function poisoned(n)
  local buffers = {}
  for i = 1, n do
    buffers[i] = ffi.new("uint8_t[?]", CAP)
    ffi.fill(buffers[i], CAP, POISON)
  end
  return buffers
end


local function untouched(buffer, from)
  for i = from, CAP - 1 do
    if buffer[i] ~= POISON then return false end
  end
  return true
end


function Cases.buffers(seed)
  local random = fake.generator(seed)
  local inner = random_tree(random, seed, { faults = 0.1, slow = SLOW, deaf = true,
    only = words_without("tap", "delay") })
  local desc = { word = "timeout", params = {}, kids = { inner } }
  local host = fake.host { seed = seed }
  local root = tree.build(host, desc)
  root.seconds = 0.001 + random() * SLOW
  local keys = some_keys(random)
  local buffers = poisoned(#keys)
  local reply
  host:main(function()
    reply = root:get_into_many(keys, buffers)
    for i = 1, #keys do
      check(reply[i] ~= "ok" or not untouched(buffers[i], 0),
        "law 7: %s is ok and its buffer empty", keys[i])
      ffi.fill(buffers[i], CAP, POISON) -- the caller uses its memory again
    end
  end)
  for i = 1, #keys do
    check(untouched(buffers[i], 0), "law 7: a late answer wrote into the buffer of %s",
      keys[i])
  end
  return desc
end


-- ---- scan: the keys that a get finds, each once ----

local function listed(root)
  local counts = {}
  local ok, err = pcall(function()
    for key in root:scan { page = 2 } do counts[key] = (counts[key] or 0) + 1 end
  end)
  check(ok or type(err) == "table", "scan: %s", tostring(err))
  return counts, ok
end


local function empty(desc)
  if desc.leaf then desc.data = {} end
  for _, kid in ipairs(desc.kids or {}) do empty(kid) end
end


-- Sets, deletes and outages leave copies behind that are old. Then some stores may be
-- down for the scan: one that ends has listed what is there.
local function disturb(random, root, leaves, host, down)
  for _ = 1, 1 + math.floor(random() * 4) do
    for _, leaf in ipairs(leaves) do
      leaf.down = random() < 0.2 and "unavailable" or nil
    end
    local op, size = tree.pick(random, OPS), 1 + math.floor(random() * 6)
    settle(host, function() run_op(root, op, some_keys(random), nil, size) end)
  end
  for _, leaf in ipairs(leaves) do
    leaf.down = down and random() < 0.2 and "unavailable" or nil
  end
end


function Cases.scan(seed)
  local random = fake.generator(seed)
  local desc = random_tree(random, seed, { faults = 0, lists = true,
    only = words_without "fault" })
  local down = random() < 0.5
  -- While stores are down, a mirror takes one that confirmed all writes for one that
  -- holds all keys, and a tier takes its last store for one that has all that a shard
  -- above it has. So there must be no keys that were not written through the tree.
  if down and (has_word(desc, "mirror") or has_word(desc, "tier")
    and has_word(desc, "shard")) then
    empty(desc)
  end
  local host = fake.host { seed = seed }
  local root, leaves = tree.build(host, desc)
  for _, leaf in ipairs(leaves) do leaf.most = tree.pick(random, { 1, 2, 3 }) end
  disturb(random, root, leaves, host, down)
  settle(host, function()
    local counts, ended = listed(root)
    for _, key in ipairs(tree.KEYS) do
      local there, err = root:exists(key)
      local n = counts[key] or 0
      check(n > 0 or not there or not ended, "scan: %s is left out", key)
      -- A read that fails because a store is down does not say that the key is absent.
      check(n == 0 or there or err and down,
        "scan: %s is listed, but a read does not find it", key)
      -- A store that goes down in the midst has listed some of its keys already.
      check(n < 2 or not ended or down, "scan: %s is listed %d times", key, n)
    end
  end)
  check_rest(root)
  return desc
end


-- ---- peek: what a get finds, and nothing changes ----

local CHANGES = { set = true, delete = true, touch = true }

function Cases.peek(seed)
  local random = fake.generator(seed)
  local desc = random_tree(random, seed, { faults = 0, lists = true,
    only = words_without "fault" })
  local host = fake.host { seed = seed }
  local root, leaves = tree.build(host, desc)
  for _, key in ipairs(tree.KEYS) do
    local value = settle(host, function()
      local found, err = root:peek(key)
      check(not err, "peek: %s is an error", key)
      return found
    end)
    for _, leaf in ipairs(leaves) do
      for _, line in ipairs(leaf.log) do
        check(not CHANGES[line:match "^%S+"], "peek: %s got %q", leaf.name, line)
      end
    end
    local found = settle(host, function() return root:get(key) end)
    check(not value or found and tostring(found) == tostring(value),
      "peek: %s is %s, a get finds %s", key, tostring(value), tostring(found))
    for _, leaf in ipairs(leaves) do leaf.log = {} end
  end
  return desc
end


-- ---- atomic ops ----

-- The sum of what the stores hold under a key. A prefix goes in front of it.
local function sum_of(leaves, key)
  local sum = 0
  for _, leaf in ipairs(leaves) do
    for name, value in pairs(leaf.data) do
      if name:sub(-#key) == key then sum = sum + (tonumber(value) or 0) end
    end
  end
  return sum
end


-- An increment that was acknowledged was done once, one whose reply was lost at most
-- once, and any other one not at all.
function Cases.counts(seed)
  local random = fake.generator(seed)
  -- quota and pin hold values that sum_of does not see.
  local desc = random_tree(random, seed, { faults = 0.1,
    only = words_without("quota", "pin") })
  local host = fake.host { seed = seed }
  local root, leaves = tree.build(host, desc)
  for _, leaf in ipairs(leaves) do
    local script = leaf.script
    leaf.maybe_applied = true
    -- Half of the faults pass.
    leaf.script = function(...) return random() < 0.5 and script(...) or nil end
  end
  local done, maybe = {}, {}
  for _, key in ipairs(tree.KEYS) do done[key], maybe[key] = 0, 0 end
  for _ = 1, 5 do
    local reply = settle(host, function() return root:incr_many(tree.KEYS) end)
    for i, key in ipairs(tree.KEYS) do
      if reply[i] == "ok" then
        done[key] = done[key] + 1
        check(maybe[key] > 0 or reply:number(i) == done[key],
          "incr %s answered %s, not %d", key, tostring(reply:number(i)), done[key])
      elseif status.applied[reply[i]] == "maybe" then
        maybe[key] = maybe[key] + 1
      end
    end
  end
  for _, key in ipairs(tree.KEYS) do
    local sum = sum_of(leaves, key)
    check(sum >= done[key] and sum <= done[key] + maybe[key],
      "incr %s: %d were done, %d may have been, the stores have %d", key, done[key],
      maybe[key], sum)
  end
  check_rest(root)
  return desc
end


Cases.KINDS = { "model", "batches", "deadlines", "kills", "buffers", "scan", "peek",
  "counts" }


--- Runs the case of a seed; on failure says how to run it again.
function Cases.run(seed)
  local kind = Cases.KINDS[seed % #Cases.KINDS + 1]
  local described
  local build = tree.build
  tree.build = function(host, desc, ...)
    described = described or desc
    return build(host, desc, ...)
  end
  local ok, failure = pcall(Cases[kind], seed)
  tree.build = build
  if ok then return end
  error(("%s\n  case %q, again with SEED=%d CASES=1; the tree:\n%s"):format(
    tostring(failure), kind, seed, described and tree.text(described) or "?"), 0)
end


return Cases
