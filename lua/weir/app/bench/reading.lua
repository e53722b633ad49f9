-- bench/reading.lua: the CPU time of gets, in batches of 64 and one by one, and what a
-- batch leaves to the collector. Used by policies.lua and stack.lua.

local Reading = {}

local KEYS, SIZE = 4096, 1024
local BATCH = 64
local TURN = 2048    -- batches in a row
local SINGLES = 4096 -- gets of one key in a row

Reading.ROUNDS = 9


--- Batches of keys. tenants: how many the keys begin with, if there are some.
---@param tenants integer?
function Reading.batches(tenants)
  local batches, at = {}, 0
  for i = 1, KEYS / BATCH do
    batches[i] = {}
    for k = 1, BATCH do
      local front = tenants and ("%d:"):format(at % tenants) or ""
      batches[i][k] = ("%skey-%012d"):format(front, at + 1)
      at = (at + 2531) % KEYS
    end
  end
  return batches
end


-- The loops of a program, compiled anew for each case: one loop for all would be
-- compiled for the first store and measure how the others leave its trace.
local READ = [[
return function(store, batches, times)
  for i = 0, times - 1 do
    local reply = store:get_many(batches[i % #batches + 1])
    if not reply:all "good" then error "a miss" end
  end
end
]]

local READ_ONE = [[
return function(store, batches, times)
  for i = 0, times - 1 do
    local keys = batches[i % #batches + 1]
    if not store:get(keys[i % #keys + 1]) then error "a miss" end
  end
end
]]


--- Fills a store with the keys of batches, and returns what the functions below take.
function Reading.of(store, batches)
  local values = {}
  for k = 1, BATCH do values[k] = ("v"):rep(SIZE) end
  for _, keys in ipairs(batches) do assert(store:set_many(keys, values):all "good") end
  local self = { store = store, batches = batches, read = loadstring(READ, "=read")(),
    read_one = loadstring(READ_ONE, "=read_one")() }
  self.read(store, batches, TURN)
  return self
end


-- The time of one call in nanoseconds. Each pays for its own garbage, not for that of
-- the one before.
local function time(read, self, calls, keys)
  collectgarbage()
  collectgarbage()
  local start = os.clock()
  read(self.store, self.batches, calls)
  return (os.clock() - start) / (calls * keys) * 1e9
end


--- Nanoseconds a key of gets in batches.
function Reading.batched(self)
  return time(self.read, self, TURN, BATCH)
end


--- Nanoseconds of a get of one key: the least of several rounds.
function Reading.single(self)
  self.read_one(self.store, self.batches, SINGLES)
  local least = math.huge
  for _ = 1, Reading.ROUNDS do
    least = math.min(least, time(self.read_one, self, SINGLES, 1))
  end
  return least
end


--- Bytes that a batch leaves to the collector.
function Reading.garbage(self)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  self.read(self.store, self.batches, TURN)
  local after = collectgarbage "count"
  collectgarbage "restart"
  return (after - before) * 1024 / TURN
end


return Reading
