-- textbook.lua: caches as textbooks have them, counted in entries, for comparing a
-- replay with: lists and a table, no trick. Shares nothing with weir.
--
--   cache:get(key) -> whether it was there     cache:put(key)     cache:has(key)

local Textbook = {}


-- ---- a doubly linked list with a head (the newest) and a tail ----

local List = {}
List.__index = List

local function list()
  return setmetatable({ n = 0 }, List)
end

function List:push(node)
  node.older, node.newer = self.head, nil
  if self.head then self.head.newer = node else self.tail = node end
  self.head = node
  self.n = self.n + 1
end

function List:remove(node)
  if node.newer then node.newer.older = node.older else self.head = node.older end
  if node.older then node.older.newer = node.newer else self.tail = node.newer end
  node.newer, node.older = nil, nil
  self.n = self.n - 1
end


-- ---- LRU and FIFO ----

local function queue_cache(capacity, moves_on_hit)
  local nodes, order = {}, list()
  local cache = {}
  function cache.has(_, key) return nodes[key] ~= nil end
  function cache.touch(_, key)
    if moves_on_hit then
      order:remove(nodes[key])
      order:push(nodes[key])
    end
  end
  function cache:get(key)
    if not nodes[key] then return false end
    self:touch(key)
    return true
  end
  function cache:put(key)
    if nodes[key] then return self:touch(key) end
    local gone
    if order.n == capacity then
      gone = order.tail.key
      nodes[gone] = nil
      order:remove(order.tail)
    end
    nodes[key] = { key = key }
    order:push(nodes[key])
    return gone
  end
  function cache.delete(_, key)
    if nodes[key] then order:remove(nodes[key]) end
    nodes[key] = nil
  end
  return cache
end

function Textbook.lru(capacity) return queue_cache(capacity, true) end
function Textbook.fifo(capacity) return queue_cache(capacity, false) end


-- ---- SIEVE: Zhang et al., NSDI 2024, algorithm 1 ----

function Textbook.sieve(capacity)
  local nodes, order, hand = {}, list(), nil
  local cache = {}
  local function evict()
    local node = hand or order.tail
    while node.visited do
      node.visited = false
      node = node.newer or order.tail
    end
    hand = node.newer
    nodes[node.key] = nil
    order:remove(node)
  end
  function cache.get(_, key)
    if not nodes[key] then return false end
    nodes[key].visited = true
    return true
  end
  function cache.put(_, key)
    if nodes[key] then nodes[key].visited = true return end
    if order.n == capacity then evict() end
    nodes[key] = { key = key, visited = false }
    order:push(nodes[key])
  end
  return cache
end


-- ---- S3-FIFO: Yang et al., SOSP 2023, algorithm 1 ----

function Textbook.s3fifo(capacity)
  local small, main, ghost = list(), list(), list()
  local nodes, ghosts = {}, {}
  local cache = {}
  local ghost_most = capacity - math.floor(capacity / 10)
  local function remember(key)
    if ghost.n >= ghost_most then
      ghosts[ghost.tail.key] = nil
      ghost:remove(ghost.tail)
    end
    ghosts[key] = { key = key }
    ghost:push(ghosts[key])
  end
  local function evict_main()
    while true do
      local node = main.tail
      main:remove(node)
      if node.freq == 0 then
        nodes[node.key] = nil
        return
      end
      node.freq = node.freq - 1
      main:push(node)
    end
  end
  -- Whether an entry left the cache, and did not just move to the main queue.
  local function evict_small()
    local node = small.tail
    small:remove(node)
    if node.freq > 1 then
      node.freq, node.is_main = 0, true
      main:push(node)
      return false
    end
    nodes[node.key] = nil
    remember(node.key)
    return true
  end
  local function evict()
    repeat
      local from_small = small.n >= math.floor(capacity / 10) and small.n > 0
        or main.n == 0
      local gone = true
      if from_small then gone = evict_small() else evict_main() end
    until gone
  end
  function cache.get(_, key)
    local node = nodes[key]
    if not node then return false end
    node.freq = math.min(node.freq + 1, 3)
    return true
  end
  function cache:put(key)
    if nodes[key] then return self:get(key) end
    if small.n + main.n == capacity then evict() end
    local node = { key = key, freq = 0 }
    nodes[key] = node
    if ghosts[key] then
      ghost:remove(ghosts[key])
      ghosts[key] = nil
      main:push(node)
    else
      small:push(node)
    end
  end
  return cache
end


-- ---- what a client does, and tiers of two ----

local function unique(keys)
  local seen, out = {}, {}
  for _, key in ipairs(keys) do
    if not seen[key] then
      seen[key] = true
      out[#out + 1] = key
    end
  end
  return out
end


--- Reads a batch, then sets what was missing. Returns the hits among all keys.
function Textbook.batch(cache, keys)
  local missing, was = {}, {}
  for _, key in ipairs(unique(keys)) do
    was[key] = cache:get(key)
    if not was[key] then missing[#missing + 1] = key end
  end
  for _, key in ipairs(missing) do cache:put(key) end
  local hits = 0
  for _, key in ipairs(keys) do
    if was[key] then hits = hits + 1 end
  end
  return hits
end


--- The same over two levels: what only the lower one has is copied up when it was
--- found there `promote` times. rule: "ever" counts all times, "resident" those since
--- it came to the lower level. around: what is set goes to the lower level only.
--- Returns the hits of the upper and of the lower level.
function Textbook.two_levels(upper, lower, promote, rule, around)
  local seen = {}
  return function(keys)
    local left, missing, found, level = {}, {}, {}, {}
    for _, key in ipairs(unique(keys)) do
      if upper:get(key) then level[key] = 1 else left[#left + 1] = key end
    end
    for _, key in ipairs(left) do
      if lower:get(key) then
        level[key] = 2
        found[#found + 1] = key
      else
        missing[#missing + 1] = key
        if rule == "resident" then seen[key] = nil end
      end
    end
    for _, key in ipairs(found) do
      seen[key] = (seen[key] or 0) + 1
      if seen[key] >= promote then upper:put(key) end
    end
    for _, key in ipairs(missing) do lower:put(key) end
    for _, key in ipairs(missing) do
      if around then upper:delete(key) else upper:put(key) end
    end
    local hits = { 0, 0 }
    for _, key in ipairs(keys) do
      if level[key] then hits[level[key]] = hits[level[key]] + 1 end
    end
    return hits[1], hits[2]
  end
end


--- The same over two levels of LRU that share the values: what is found in the lower
--- one moves up, what the upper one evicts moves down, what is set goes to the lower.
--- They move 64 at a time: values move down before those that moved up are deleted
--- below, except from the first one on that itself has just moved up.
function Textbook.exclusive(upper_most, lower_most)
  local upper, lower = Textbook.lru(upper_most), Textbook.lru(lower_most)
  local function move(found)
    local moved, later = {}, {}
    for _, key in ipairs(found) do moved[key] = true end
    for _, key in ipairs(found) do
      local gone = upper:put(key)
      if gone and (moved[gone] or later[1]) then
        later[#later + 1] = gone
      elseif gone then
        lower:put(gone)
      end
    end
    for _, key in ipairs(found) do lower:delete(key) end
    for _, key in ipairs(later) do lower:put(key) end
  end
  return function(keys)
    local left, missing, found, level = {}, {}, {}, {}
    for _, key in ipairs(unique(keys)) do
      if upper:get(key) then level[key] = 1 else left[#left + 1] = key end
    end
    for _, key in ipairs(left) do
      level[key] = lower:get(key) and 2 or nil
      local to = level[key] and found or missing
      to[#to + 1] = key
    end
    for first = 1, #found, 64 do
      move { unpack(found, first, math.min(first + 63, #found)) }
    end
    for _, key in ipairs(missing) do lower:put(key) end
    local hits = { 0, 0 }
    for _, key in ipairs(keys) do
      if level[key] then hits[level[key]] = hits[level[key]] + 1 end
    end
    return hits[1], hits[2]
  end
end


return Textbook
