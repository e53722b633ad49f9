-- guarded_worker.lua: a process of guarded_spec.lua, which uses a tree over a shared
-- store until it is killed or its time is up.
--     weir run guarded_worker.lua FOLDER FAR NUMBER WORKERS SECONDS SEED WORD [break]
-- Every key has one writer at a time, a task of one process. Its values are numbers
-- that grow. FOLDER/newest is a table in memory that all processes map: the greatest
-- number that was acknowledged by anyone or, of a tier, read. A read that began after
-- that must not return a smaller one. WORD is the tree: tier, ttl (a tier whose values
-- are refreshed all the time) or mirror. A mirror whose process dies may leave a write
-- that was not acknowledged in one of its stores.

local ffi = require "ffi"
local weir = require "weir"

ffi.cdef [[
int open(const char *, int, ...);
void *mmap(void *, size_t, int, int, int, long);
]]

local KEYS = 24
local folder, target = arg[1], arg[2]
local number, workers, seconds = tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5])
local word = arg[7]
math.randomseed(tonumber(arg[6]))

local fd = ffi.C.open(folder .. "/newest", 2)
local newest = ffi.cast("volatile double *", ffi.C.mmap(nil, 4096, 3, 1, fd, 0))
local log = assert(io.open(folder .. "/log", "a"))
log:setvbuf "no"


-- The table is not atomic. A smaller number that another process wrote last makes the
-- check weaker, never wrong.
local function seen(key, value)
  if value > newest[key] then newest[key] = value end
end


local function check(key, before, value, how)
  if value < before then
    log:write(("WRONG %s of %d: %d after %d\n"):format(how, key, value, before))
  end
end


local function read(tree, key)
  local before = newest[key]
  local value, err = tree:get_string("key" .. key)
  if err then return end
  value = tonumber(value) or 0
  check(key, before, value, "read")
  if word ~= "mirror" then seen(key, value) end
end


-- Numbers of a later process are greater than all of one before.
local count = tonumber(arg[6]) * 1e6

local function write(tree, key)
  count = count + 1
  local value = count
  if tree:set("key" .. key, ("%d"):format(value)) then seen(key, value) end
end


weir.run(function()
  local top, far = weir.shm { path = folder .. "/shm" }, weir.open(target)
  if arg[8] == "break" then top.guard = nil end
  local tree = word == "mirror" and weir.mirror { top, far, repair = true }
    or weir.tier { top, far }
  if word == "ttl" then
    tree = tree:ttl(0.01, { stale = 60, refresh = function(key)
      return far:get_string(key)
    end })
  end
  local by = weir.now() + seconds
  for task = 1, 8 do
    weir.spawn(function()
      while weir.now() < by do
        local key = math.random(0, KEYS - 1)
        if task == 1 then
          key = key - key % workers + number
          write(tree, key)
        elseif math.random() < 0.2 then
          top:delete("key" .. key)
        else
          read(tree, key)
        end
      end
    end)
  end
  weir.sleep(seconds + 0.1)
  log:write("END ", number, "\n")
end)
