-- killed.lua: processes that kill themselves while they write, and the specs that check
-- their stores afterwards. FOLDER/log gets a line "b KEY N" before each write, and
-- "a KEY N" when it was acknowledged.
local weir = require "weir"
local C = require("weir.ffi").C

local Killed = {}

local TASKS, KEYS = 4, 3


-- ---- in the process ----

local Process = {}
Process.__index = Process


--- A process that is killed at a named step, when that comes for the nth time. Its
--- writes are numbered from `first`. One in `deletes` is a deletion.
---@param folder string
---@param step string
---@param nth integer
---@param first integer
---@param deletes integer
function Killed.process(folder, step, nth, first, deletes)
  math.randomseed(first)
  local log = assert(io.open(folder .. "/log", "a"))
  log:setvbuf "no"
  return setmetatable({ step = step, left = nth, number = first, deletes = deletes,
    log = log }, Process)
end


function Process:reached(name)
  if name ~= self.step then return end
  self.left = self.left - 1
  if self.left <= 0 then self:die() end
end


function Process:die() -- luacheck: no self
  C.weir_kill(C.weir_getpid(), 9)
end


--- Reaches steps before and after run of a store: names by op.
function Process:watch(store, before, after)
  local run = store.run
  function store.run(node, req)
    self:reached(before[req.op])
    local reply = run(node, req)
    self:reached(after[req.op])
    return reply
  end
end


local function write(self, tree, key, value)
  self.number = self.number + 1
  local n, good = self.number
  self.log:write("b ", key, " ", n, "\n")
  if n % self.deletes == 0 then
    good = tree:delete(key)
  else
    good = tree:set(key, value(n))
  end
  if good ~= nil then
    self.log:write("a ", key, " ", n, "\n")
    self:reached "acknowledge"
  end
end


--- Writes from several tasks until it is killed, so many times each at most. value(n)
--- returns what write n sets.
function Process:work(tree, times, value)
  for task = 1, TASKS do
    weir.spawn(function()
      for i = 1, times do write(self, tree, "k" .. task .. i % KEYS, value) end
    end)
  end
  weir.sleep(30)
end


-- ---- in the spec ----

-- By key the number of the last write that was acknowledged, and the numbers that were
-- begun after it. Removes the log.
local function read_log(folder)
  local acked, begun, n = {}, {}, 0
  for line in io.lines(folder .. "/log") do
    local kind, key, number = line:match "^(%l) (%S+) (%d+)$"
    if kind == "a" then
      acked[key], begun[key], n = tonumber(number), {}, n + 1
    elseif kind == "b" then
      begun[key] = begun[key] or {}
      table.insert(begun[key], tonumber(number))
    end
  end
  os.remove(folder .. "/log")
  return acked, begun, n
end


--- Checks that a store has every write that was acknowledged since the last round, or a
--- later one that was begun. is(value, number) says whether a value is that of a write.
--- state: by key the number that the store has. Returns how many were acknowledged.
function Killed.check(folder, store, state, is, why)
  local acked, begun, n = read_log(folder)
  for task = 1, TASKS do
    for i = 0, KEYS - 1 do
      local key = "k" .. task .. i
      local value, err = store:get_string(key)
      assert(not err, tostring(err))
      local last = acked[key] or state[key]
      local fits, found = is(value, last), last
      for _, number in ipairs(begun[key] or {}) do
        if not fits and is(value, number) then fits, found = true, number end
      end
      assert(fits, ("%s: %s is %s, the last acknowledged write was %s"):format(why, key,
        tostring(value and value:match "^%d+"), tostring(last)))
      state[key] = found
    end
  end
  return n
end


--- Checks that a store has exactly what `state` says.
function Killed.same(store, state, is, why)
  for key, number in pairs(state) do
    assert(is(store:get_string(key), number), why .. ": " .. key)
  end
end


return Killed
