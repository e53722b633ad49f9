-- replay/plain.lua: a sweep of plain memory stores, without a policy: every store is
-- its own C code, and the trace is read once for all of them. A batch goes to each
-- store as one get and one set of what was missing.

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
local GET, SET = Op.number.get, Op.number.set

local pointer_array = ffi.typeof "struct weir_value *[?]"

-- Where the clock stands, in nanoseconds.
local BEGIN = 1000e9

-- Keys of a batch at most; requests that are read at once.
local MOST, WINDOW = 4096, 1024


local function load_get(batch, keys, from, n)
  C.weir_batch_reset(batch, GET, n)
  local items = batch.items
  for i = 0, n - 1 do
    local key = keys[from + i]
    items[i].key, items[i].key_len = key, #key
  end
end


-- The slots that were not found; how many were.
local function missing_of(batch, n, missing)
  local items, misses = batch.items, 0
  for i = 0, n - 1 do
    if items[i].status ~= OK then
      missing[misses] = i
      misses = misses + 1
    end
  end
  return misses
end


local function load_set(batch, keys, from, missing, misses, pointers, step)
  C.weir_batch_reset(batch, SET, misses)
  local items = batch.items
  for j = 0, misses - 1 do
    local i = missing[j]
    local key = keys[from + i]
    items[j].key, items[j].key_len = key, #key
    items[j].value = C.weir_value_ref(pointers[(from + i - 1) * step])
  end
end


-- How often each key of a batch came, beyond the first time, by its place.
local function repeats_of(positions, given)
  if not positions then return nil end
  local times = {}
  for i = 1, given do times[positions[i]] = (times[positions[i]] or -1) + 1 end
  return times
end


local function count(run, batch, n, times, from)
  local items = batch.items
  for i = 0, times and n - 1 or -1 do
    if items[i].status == OK then run.hits = run.hits + times[from + i] end
  end
end


-- The values of a request's keys, as C takes them: one for all, or one each.
local function point(request, keys, n, size)
  local sizes = request.sizes
  local pointers = pointer_array(sizes and n or 1)
  if not sizes then
    pointers[0] = Values.of(request.size or size).ref
    return pointers, 0
  end
  local first = {}
  for i = request.n, 1, -1 do first[request.keys[i]] = sizes[i] end
  for i = 1, n do pointers[i - 1] = Values.of(first[keys[i]]).ref end
  return pointers, 1
end


-- The next requests, each with its keys once. How many there are, and their keys.
local function read(source, window, size)
  local count_of_keys = 0
  for w = 1, WINDOW do
    local request = source:next()
    if not request then return w - 1, count_of_keys end
    local keys, n, positions = unique(request.keys, request.n)
    local pointers, step = point(request, keys, n, size)
    count_of_keys = count_of_keys + request.n
    window[w] = { keys = keys, n = n, pointers = pointers, step = step,
      times = repeats_of(positions, request.n) }
  end
  return WINDOW, count_of_keys
end


-- One request of one store.
local function step(run, batches, request, from, n)
  local get, set, missing = batches.get, batches.set, batches.missing
  local keys, handle = request.keys, run.store.handle
  load_get(get, keys, from, n)
  C.weir_submit(handle, nil, get)
  local misses = missing_of(get, n, missing)
  run.hits = run.hits + n - misses
  if request.times then count(run, get, n, request.times, from) end
  if misses > 0 then
    load_set(set, keys, from, missing, misses, request.pointers, request.step)
    C.weir_submit(handle, nil, set)
  end
end


-- A store goes through the whole window before the next one does: its entries stay in
-- the processor's cache.
local function run_window(run, batches, window, n_requests)
  for w = 1, n_requests do
    local request = window[w]
    for from = 1, request.n, MOST do
      step(run, batches, request, from, math.min(MOST, request.n - from + 1))
    end
  end
end


local function run_all(list, paths, opts)
  local source = Source.open(paths, opts, 1) -- read() keeps only keys
  local runs, keys, window = {}, 0, {}
  for i, options in ipairs(list) do
    local given = Models.without_bytes(options)
    runs[i] = { store = Native.open("memory", given, 2), hits = 0 }
  end
  local batches = { get = Batch.take(MOST), set = Batch.take(MOST),
    missing = ffi.new("uint32_t[?]", MOST) }
  repeat
    local n, more = read(source, window, opts.size or 65536)
    keys = keys + more
    for _, run in ipairs(runs) do run_window(run, batches, window, n) end
  until n < WINDOW or opts.stop and opts.stop(keys)
  source:close()
  Batch.put(batches.get)
  Batch.put(batches.set)
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
