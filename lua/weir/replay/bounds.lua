-- replay/bounds.lua: how many gets of a trace could hit at all: with room for
-- everything (a key that comes for the first time cannot), and at a capacity with
-- knowledge of the future. Needs some 20 bytes an access and the distinct keys in
-- memory.
--
-- Values of one size: Belady's MIN, with the choice not to keep a value. It is exact.
-- Values of many sizes: PFOO-L (Berger et al., "Practical bounds on optimal caching
-- with variable object sizes", SIGMETRICS 2018): each return of a key needs its size
-- for as long as it is away; the cheapest returns are granted until capacity times
-- length of the trace is used up. Greedy and size-aware, never below the optimum.

local ffi = require "ffi"
local Source = require "weir.replay.source"
local unique = require "weir.core.unique"

local Bounds = {}
Bounds.__index = Bounds

local NEVER = 2 ^ 32 - 1

local numbers, sizes_type = ffi.typeof "uint32_t[?]", ffi.typeof "double[?]"


-- ---- the accesses of a trace ----

-- An array of C that grows.
local function array(ctype)
  return { ctype = ctype, data = ctype(1024), room = 1024, n = 0 }
end


local function push(list, x)
  if list.n == list.room then
    local more = list.ctype(list.room * 2)
    ffi.copy(more, list.data, list.room * ffi.sizeof(list.data) / list.room)
    list.data, list.room = more, list.room * 2
  end
  list.data[list.n] = x
  list.n = list.n + 1
end


local GET, WRITE = 1, 2


local function note(self, key, size, kind)
  local id = self.ids[key]
  if not id then
    id = self.distinct
    self.ids[key], self.distinct = id, id + 1
  end
  push(self.id, id)
  push(self.size, size)
  push(self.kind, kind)
  self.same = self.same and (not self.first_size or self.first_size == size)
  self.first_size = self.first_size or size
end


local function add(self, request, default)
  local keys, n = unique(request.keys, request.n)
  local kind = request.op == "get" and GET or WRITE
  if kind == GET then self.gets = self.gets + request.n end
  -- What comes twice in a batch is asked once: it hits or misses with the first.
  self.again = self.again + (kind == GET and request.n - n or 0)
  for i = 1, n do
    local size = request.sizes and request.sizes[i] or request.size or default
    note(self, keys[i], size, kind)
  end
end


--- Reads a trace. opts: as of Run.simulate.
function Bounds.load(paths, opts)
  local source = Source.open(paths, opts)
  local recorded = opts.recorded
  if recorded == nil then recorded = source.found.recorded end
  local self = setmetatable({ ids = {}, distinct = 0, gets = 0, again = 0,
    id = array(numbers), kind = array(ffi.typeof "uint8_t[?]"),
    size = array(sizes_type), same = true, recorded = recorded }, Bounds)
  for request in function() return source:next() end do
    if request.op == "get" or request.op == "set" or request.op == "delete" then
      add(self, request, opts.size or 65536)
    end
  end
  source:close()
  self.ids = nil
  self:link()
  return self
end


-- For each access the next get of its key, if no write comes first; and the gets that
-- must miss.
function Bounds:link()
  local n, id, kind = self.id.n, self.id.data, self.kind.data
  local following = numbers(math.max(n, 1))
  local last = numbers(math.max(self.distinct, 1))
  ffi.fill(last, ffi.sizeof(last), 255)
  for i = n - 1, 0, -1 do
    following[i] = last[id[i]]
    last[id[i]] = kind[i] == GET and i or NEVER
  end
  self.following = following
  self.returns = 0
  for i = 0, n - 1 do
    if following[i] ~= NEVER and self:keeps(i) then self.returns = self.returns + 1 end
  end
end


-- Whether a cache could have the key after access i: a get that missed is not stored
-- where sets are recorded. Then what comes before the first write is never stored.
function Bounds:keeps(i)
  if not self.recorded or self.kind.data[i] == WRITE then return true end
  self.written = self.written or self:mark_written()
  return self.written[i] == 1
end


function Bounds:mark_written()
  local n, id, kind = self.id.n, self.id.data, self.kind.data
  local seen = ffi.new("uint8_t[?]", math.max(self.distinct, 1))
  local written = ffi.new("uint8_t[?]", math.max(n, 1))
  for i = 0, n - 1 do
    if kind[i] == WRITE then seen[id[i]] = 1 end
    written[i] = seen[id[i]]
  end
  return written
end


--- The gets that miss in a cache without end, as { misses, hits, hit_ratio }.
function Bounds:compulsory()
  return { hits = self.returns, misses = self.gets - self.returns,
    hit_ratio = self.gets > 0 and self.returns / self.gets or 0 }
end


-- ---- one size: MIN ----

-- A heap of times of next use, the latest first.
local function heap_push(heap, n, x)
  local i = n + 1
  while i > 1 do
    local parent = bit.rshift(i, 1)
    if heap[parent] >= x then break end
    heap[i] = heap[parent]
    i = parent
  end
  heap[i] = x
  return n + 1
end


local function heap_pop(heap, n)
  local x, i = heap[n], 1
  n = n - 1
  while 2 * i <= n do
    local child = 2 * i
    if child < n and heap[child + 1] > heap[child] then child = child + 1 end
    if heap[child] <= x then break end
    heap[i] = heap[child]
    i = child
  end
  heap[i] = x
  return n
end


--- The hits of Belady's MIN with so many entries.
function Bounds:min(entries)
  local n, id, kind, following = self.id.n, self.id.data, self.kind.data, self.following
  local use = numbers(math.max(self.distinct, 1)) -- of what is kept; 0: not kept
  local heap, in_heap, kept, hits = numbers(n + 2), 0, 0, 0
  for i = 0, n - 1 do
    local key, again = id[i], following[i]
    if use[key] ~= 0 then
      if kind[i] == GET and use[key] == i then hits = hits + 1 end
      use[key], kept = 0, kept - 1
    end
    if again ~= NEVER and self:keeps(i) then
      local room = kept < entries
      while not room and in_heap > 0 and use[id[heap[1]]] ~= heap[1] do
        in_heap = heap_pop(heap, in_heap) -- it was used, or dropped, since
      end
      if not room and in_heap > 0 and heap[1] > again then
        use[id[heap[1]]], kept, room = 0, kept - 1, true
        in_heap = heap_pop(heap, in_heap)
      end
      if room then
        use[key], kept = again, kept + 1
        in_heap = heap_push(heap, in_heap, again)
      end
    end
  end
  return hits
end


-- ---- many sizes: PFOO-L ----

local function sorted_costs(self)
  if self.costs then return self.costs end
  local costs, size, following = {}, self.size.data, self.following
  for i = 0, self.id.n - 1 do
    if following[i] ~= NEVER and self:keeps(i) then
      costs[#costs + 1] = size[i] * (following[i] - i)
    end
  end
  table.sort(costs)
  self.costs = costs
  return costs
end


--- The hits that no cache of so many bytes exceeds.
function Bounds:pfoo(bytes)
  local left, hits = bytes * self.id.n, 0
  for _, cost in ipairs(sorted_costs(self)) do
    left = left - cost
    if left < 0 then break end
    hits = hits + 1
  end
  return hits
end


--- The bound at a capacity: in entries, or in bytes.
---@return table { hits, hit_ratio, rule, items, bytes }
function Bounds:at(items, bytes)
  local rule, hits = "Belady's MIN"
  if not items and self.same and self.first_size and self.first_size > 0 then
    items = math.floor(bytes / self.first_size)
  end
  if items then
    hits = self:min(items)
  else
    hits, rule = self:pfoo(bytes), "PFOO-L, greedy over sizes"
  end
  return { hits = hits, hit_ratio = self.gets > 0 and hits / self.gets or 0,
    rule = rule, items = items, bytes = not items and bytes or nil }
end


--- The bound of several stores: no tree over them keeps more than all their
--- capacities. nil: one has none.
function Bounds:of_all(stores)
  local items, bytes = 0, 0
  for _, store in ipairs(stores) do
    if not store.capacity_items and not store.capacity then return nil end
    items = items and store.capacity_items and items + store.capacity_items or nil
    bytes = bytes + (store.capacity or 0)
  end
  return self:at(items, bytes)
end


--- The bounds of a report: of each store with a capacity as if it stood alone, and of
--- all of them.
function Bounds.of(paths, opts, report)
  local bounds = Bounds.load(paths, opts)
  local list = {}
  local all = #report.stores > 1 and bounds:of_all(report.stores)
  if all then
    all.label = "all stores"
    list[1] = all
  end
  for _, store in ipairs(report.stores) do
    if store.capacity_items or store.capacity then
      local bound = bounds:at(store.capacity_items, store.capacity)
      bound.label = store.label
      list[#list + 1] = bound
    end
  end
  return { compulsory = bounds:compulsory(), stores = list }
end


return Bounds
