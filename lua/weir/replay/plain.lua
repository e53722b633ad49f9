-- replay/plain.lua: a sweep of plain memory stores, without a policy: every store is
-- its own C code, and the trace is read once for all of them. A request of the trace
-- becomes a batch, which goes to each store in turn: its keys are asked for, then what
-- was missing is set. A touch asks, since it counts as a read and makes no values.

local ffi = require "ffi"
local Batch = require "weir.native.batch"
local Models = require "weir.replay.models"
local Native = require "weir.native"
local Op = require "weir.core.op"
local Source = require "weir.replay.source"
local unique = require "weir.core.unique"
local Values = require "weir.replay.models.values"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local Plain = {}

local OK = status.number.ok
local TOUCH, SET = Op.number.touch, Op.number.set

local char_ptr = ffi.typeof "char *"

-- Where the clock stands, in nanoseconds.
local BEGIN = 1000e9

-- Keys of a batch at most; batches that are read at once.
local MOST, WINDOW = 4096, 256


-- ---- reading: the window is a list of parts, a batch each ----

-- A part with room for n keys. Parts are used again in the next window.
local function part_of(window, w, n)
  local part = window[w] or {}
  window[w] = part
  if not part.batch or part.batch.capacity < n then
    if part.batch then Batch.put(part.batch) end
    part.batch = Batch.take(n)
  end
  C.weir_batch_reset(part.batch, TOUCH, n)
  return part
end


-- Puts the keys from one on into a part, and the sizes of their values: a set of what a
-- touch missed uses these. The store does not read the bytes of a value. The part keeps
-- the keys alive.
local function load_items(part, keys, from, n, size, sizes)
  local items, zeros = part.batch.items, ffi.cast(char_ptr, Values.of(size).data)
  for i = 0, n - 1 do
    local item, key = items[i], keys[from + i]
    item.key, item.key_len = key, #key
    item.data, item.size = zeros, sizes and sizes[i] or size
  end
  part.keys, part.n = keys, n
end


-- How often each of n keys came, beyond the first time.
local function repeats_of(positions, given, from, n)
  if not positions then return nil end
  local times = {}
  for i = 0, n - 1 do times[i] = -1 end
  for i = 1, given do
    local at = positions[i] - from
    if at >= 0 and at < n then times[at] = times[at] + 1 end
  end
  return times
end


-- The size of each of n keys where they differ: that of the first time a key came.
local function sizes_of(first, keys, from, n)
  if not first then return nil end
  local sizes = {}
  for i = 0, n - 1 do sizes[i] = first[keys[from + i]] end
  return sizes
end


local function first_sizes(request)
  if not request.sizes then return nil end
  local first = {}
  for i = request.n, 1, -1 do first[request.keys[i]] = request.sizes[i] end
  return first
end


-- Adds a request, each of its keys once, to the window, which has w parts. Returns how
-- many it has then.
local function add(window, w, request, size)
  local keys, n, positions = unique(request.keys, request.n)
  local first = first_sizes(request)
  for from = 1, n, MOST do
    local some = math.min(MOST, n - from + 1)
    w = w + 1
    local part = part_of(window, w, some)
    load_items(part, keys, from, some, request.size or size,
      sizes_of(first, keys, from, some))
    part.times = repeats_of(positions, request.n, from, some)
  end
  return w
end


-- Fills the window. Returns how many parts it has, how many keys, and whether that was
-- all.
local function read(source, window, size)
  local w, keys = 0, 0
  while w < WINDOW do
    local request = source:next()
    if not request then return w, keys, true end
    keys = keys + request.n
    w = add(window, w, request, size)
  end
  return w, keys, false
end


-- ---- running ----

-- The hits of keys that came again in the same request.
local function hits_again(items, n, times)
  local hits = 0
  for i = 0, n - 1 do
    if items[i].status == OK then hits = hits + times[i] end
  end
  return hits
end


local function run_part(run, part, set)
  local batch, n, handle = part.batch, part.n, run.store.handle
  C.weir_submit(handle, nil, batch)
  local misses = C.weir_batch_rest(batch, set)
  run.hits = run.hits + n - misses
  if part.times then run.hits = run.hits + hits_again(batch.items, n, part.times) end
  if misses > 0 then C.weir_submit(handle, nil, set) end
end


-- A store goes through the whole window before the next one does: its entries stay in
-- the processor's cache.
local function run_window(run, window, n_parts, set)
  for w = 1, n_parts do run_part(run, window[w], set) end
end


local function open_all(list)
  local runs = {}
  for i, options in ipairs(list) do
    local given = Models.without_bytes(options)
    runs[i] = { store = Native.open("memory", given, 2), hits = 0 }
  end
  return runs
end


local function run_all(list, paths, opts)
  local source = Source.open(paths, opts, 1) -- read() keeps only keys
  local runs, keys, window = open_all(list), 0, {}
  local set = Batch.take(MOST)
  C.weir_batch_reset(set, SET, 0)
  repeat
    local n, more, all = read(source, window, opts.size or 65536)
    keys = keys + more
    for _, run in ipairs(runs) do run_window(run, window, n, set) end
  until all or opts.stop and opts.stop(keys)
  source:close()
  Batch.put(set)
  for _, part in ipairs(window) do Batch.put(part.batch) end
  for _, run in ipairs(runs) do run.keys = keys end
  return runs
end


--- Runs a trace through several memory stores. opts: of Source.open, and size, stop.
--- The time stands still: stores that open in such a time hash keys by the same seed
--- in each run, so the hits are the same.
---@param list table[] the options of each store
---@return table[] runs { hits, keys, store }
function Plain.run(list, paths, opts)
  C.weir_set_now(BEGIN)
  local good, runs = pcall(run_all, list, paths, opts)
  C.weir_set_now(0)
  if not good then error(runs, 0) end
  return runs
end


return Plain
