-- The KV cache of an LLM service. Requests come with chains of chunk keys; each gets
-- its prefix as one batch, computes what is missing and stores it, through memory
-- over files. Every value read is verified.
--
--     build/weir run examples/kvcache.lua [--path DIR] [--trace FILE] ...
--
-- Run it again: it starts warm, from the files, and computes nothing:
--
--     tier       hits   share      read      p50      p99    in use
--     memory    37678  70.2 %  2.30 GiB  2.40 us  91.1 us  64.0 MiB
--     files     15965  29.8 %   998 MiB   105 us  2.33 ms   408 MiB
--     computed      0   0.0 %       0 B
local argparse = require "argparse"
local ffi = require "ffi"
local weir = require "weir"
local host = require "weir.host"
local Columns = require "weir.app.show.columns"
local Progress = require "weir.app.show.progress"
local Quantity = require "weir.core.quantity"

local CHUNK = 64 * 1024
local WORDS = CHUNK / 4
local SEED = 1


local function arguments()
  local parser = argparse("kvcache.lua", "The KV cache of an LLM service.")
  parser:option("--path", "Folder of the files.", "build/kvcache")
  parser:option("--memory", "Capacity of the memory tier.", "64MiB")
  parser:option("--disk", "Capacity of the file tier.", "1GiB")
  parser:option("--trace", "Requests in Mooncake's format instead of made-up ones.")
    :convert(function(path)
      local file, why = io.open(path)
      if file then file:close() end
      return file and path, why
    end)
  parser:option("--requests", "How many requests.", "3000"):convert(tonumber)
  parser:option("--together", "Requests in progress.", "4"):convert(tonumber)
  parser:option("--seconds", "Stop after so long.", "50"):convert(tonumber)
  return parser:parse(arg)
end


-- ---- chunks: what a model would compute, as a function of the key ----

local int_ptr = ffi.typeof "const int32_t *"


-- FNV-1a, in 32 bits.
local function seed_of(key)
  local hash = 0x811C9DC5
  for i = 1, #key do
    hash = bit.bxor(hash, key:byte(i))
    hash = bit.tobit(hash * 0x193 + bit.lshift(hash, 24))
  end
  return hash
end


local function compute(key, chunk)
  local seed = seed_of(key)
  local words = ffi.cast("int32_t *", chunk)
  for i = 0, WORDS - 1 do
    words[i] = bit.tobit(seed + i * 0x9E3779B9)
  end
end


local function is_chunk(key, value)
  if #value ~= CHUNK then return false end
  local seed, words = seed_of(key), ffi.cast(int_ptr, value.data)
  for i = 0, WORDS - 1 do
    if words[i] ~= bit.tobit(seed + i * 0x9E3779B9) then return false end
  end
  return true
end


-- ---- serving ----

local Service = {}
Service.__index = Service


local function new_service(store)
  return setmetatable({
    store = store,
    requests = 0, -- served
    chunks = 0,   -- asked for
    hits = { 0, 0 },
    leading = 0,  -- found from the start without a gap: these need no prefill
    computed = 0,
    errors = 0,
  }, Service)
end


local function keys_of(ids)
  local keys = {}
  for i, id in ipairs(ids) do
    keys[i] = ("llama-70b@tp0@%08x"):format(id)
  end
  return keys
end


function Service:fail(err)
  self.errors = self.errors + 1
  self.first_error = self.first_error or tostring(err)
end


-- Verifies what was found; returns the keys that were not.
function Service:check(keys, reply)
  local missing = {}
  for i, key in ipairs(keys) do
    local value = reply:value(i)
    if not value then
      missing[#missing + 1] = key
      if reply:error(i) then self:fail(reply:error(i)) end
    else
      if not is_chunk(key, value) then
        error("the value of " .. key .. " is not what was stored", 0)
      end
      local level = reply:level(i)
      self.hits[level] = self.hits[level] + 1
      value:close()
    end
  end
  return missing
end


function Service:fill(missing)
  local values = {}
  for i, key in ipairs(missing) do
    values[i] = ffi.new("char[?]", CHUNK)
    compute(key, values[i])
  end
  local reply = self.store:set_many(missing, values)
  for i = 1, #missing do
    if reply:error(i) then self:fail(reply:error(i)) end
  end
  self.computed = self.computed + #missing
end


function Service:serve(ids)
  local keys = keys_of(ids)
  local reply = self.store:get_many(keys, { prefix = true })
  self.leading = self.leading + reply.lead
  local missing = self:check(keys, reply)
  reply:close()
  if #missing > 0 then
    self:fill(missing)
  end
  self.chunks = self.chunks + #keys
  self.requests = self.requests + 1
end


-- ---- telling ----

local function percent(part, whole)
  return ("%.1f %%"):format(whole > 0 and part / whole * 100 or 0)
end


local function summary(service, total)
  local found = service.hits[1] + service.hits[2]
  return ("%6d of %d requests  %6d chunks  %s found"):format(service.requests, total,
    service.chunks, percent(found, service.chunks))
end


-- What an earlier run left in the files.
local function left_over(disk)
  local count, bytes = 0, 0
  for _, info in disk:scan() do
    count, bytes = count + 1, bytes + (info.size or CHUNK)
  end
  return count, bytes
end


local function row(name, service, hits, store)
  local stats = store:stats()
  local latency = stats.ops.get and stats.ops.get.service or { p50 = 0, p99 = 0 }
  return {
    name, tostring(hits), percent(hits, service.chunks), Quantity.bytes(hits * CHUNK),
    Quantity.time(latency.p50), Quantity.time(latency.p99),
    Quantity.bytes(stats.gauges.bytes),
  }
end


local function report(service, ram, disk, seconds)
  print()
  Columns.print({
    { "tier", "hits", "share", "read", "p50", "p99", "in use" },
    row("memory", service, service.hits[1], ram),
    row("files", service, service.hits[2], disk),
    { "computed", tostring(service.computed), percent(service.computed, service.chunks),
      Quantity.bytes(service.computed * CHUNK) },
  }, "lrrrrrr")
  print()
  print(("%d of %d chunks (%s) were found from the start of a request without a gap.")
    :format(service.leading, service.chunks, percent(service.leading, service.chunks)))
  print(("%d values read, every one verified; %d errors; %.1f s."):format(
    service.hits[1] + service.hits[2], service.errors, seconds))
  if service.first_error then
    print("The first error: " .. service.first_error)
  end
end


-- ---- the run ----

local function source(options)
  if options.trace then
    local requests, total = require "weir.app.trace.mooncake"(options.trace)
    return requests, math.min(total, options.requests)
  end
  return require "weir.app.trace.sessions"(SEED), options.requests
end


-- Serves until the requests or the time are used up, some at a time.
local function serve_all(service, options)
  local requests, total = source(options)
  local progress = Progress.new(host.now)
  local stop, taken, tasks = host.now() + options.seconds, 0, {}

  local function work()
    while taken < total and host.now() < stop do
      taken = taken + 1
      service:serve(requests())
      progress:tell(function() return summary(service, total) end)
    end
  end

  for i = 1, options.together do
    tasks[i] = host.spawn(work)
  end
  for i = 1, options.together do
    local good, err = host.join(tasks[i])
    if not good then error(err, 0) end
  end
  progress:close()
  print(summary(service, total))
end


io.stdout:setvbuf "line"
local options = arguments()
local ram = weir.memory { capacity = options.memory }
local disk = weir.fs { path = options.path, capacity = options.disk }
local service = new_service(weir.tier { ram, disk })

print(("Chunks of 64 KiB through tier { memory %s, fs %s }."):format(options.memory,
  options.disk))
local chunks, bytes = left_over(disk)
print(chunks == 0 and "A cold start: " .. options.path .. " is empty."
  or ("A warm start: %s holds %d chunks (%s) of an earlier run."):format(options.path,
    chunks, Quantity.bytes(bytes)))

local start = host.now()
serve_all(service, options)
report(service, ram, disk, host.now() - start)
