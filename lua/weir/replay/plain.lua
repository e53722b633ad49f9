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
local Values = require "weir.replay.values"
local status = require "weir.core.status"
local C = require("weir.ffi").C

local Plain = {}

local OK = status.number.ok
local GET, SET = Op.number.get, Op.number.set

-- Keys of a batch at most, and requests between two looks at stop().
local MOST, LOOK = 4096, 256


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


local function load_set(batch, keys, from, missing, misses, pointers)
  C.weir_batch_reset(batch, SET, misses)
  local items = batch.items
  for j = 0, misses - 1 do
    local i = missing[j]
    local key = keys[from + i]
    items[j].key, items[j].key_len = key, #key
    items[j].value = C.weir_value_ref(pointers[i])
  end
end


-- The values of a batch's keys, as C takes them.
local function point(request, from, n, pointers, size)
  local sizes = request.sizes
  if not sizes then
    local pointer = Values.of(request.size or size).ref
    for i = 0, n - 1 do pointers[i] = pointer end
    return
  end
  for i = 0, n - 1 do pointers[i] = Values.of(sizes[from + i] or size).ref end
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


--- Runs a trace through several memory stores. opts: of Source.open, and size, stop.
---@param list table[] the options of each store
---@return table[] runs { hits, keys, store }
function Plain.run(list, paths, opts)
  local source = Source.open(paths, opts)
  local runs, keys_in_all, size = {}, 0, opts.size or 65536
  for i, options in ipairs(list) do
    local given = Models.without_bytes(options)
    runs[i] = { store = Native.open("memory", given, 2), hits = 0 }
  end
  local get, set = Batch.take(MOST), Batch.take(MOST)
  local missing = ffi.new("uint32_t[?]", MOST)
  local pointers = ffi.new("struct weir_value *[?]", MOST)
  local looked = 0
  for request in function() return source:next() end do
    looked = looked + 1
    if looked % LOOK == 0 and opts.stop and opts.stop(looked) then break end
    local keys, total, positions = unique(request.keys, request.n)
    keys_in_all = keys_in_all + request.n
    local times = repeats_of(positions, request.n)
    for from = 1, total, MOST do
      local n = math.min(MOST, total - from + 1)
      point(request, from, n, pointers, size)
      for r = 1, #runs do
        local run = runs[r]
        load_get(get, keys, from, n)
        C.weir_submit(run.store.handle, nil, get)
        local misses = missing_of(get, n, missing)
        run.hits = run.hits + n - misses
        if times then count(run, get, n, times, from) end
        if misses > 0 then
          load_set(set, keys, from, missing, misses, pointers)
          C.weir_submit(run.store.handle, nil, set)
        end
      end
    end
  end
  source:close()
  Batch.put(get)
  Batch.put(set)
  for _, run in ipairs(runs) do run.keys = keys_in_all end
  return runs
end


return Plain
