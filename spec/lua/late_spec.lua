-- Law 7: buffers are lent until the reply. An answer that comes later finds
-- nothing of the caller's to write to or read from.
local ffi = require "ffi"
local Host = require "weir.host"
local scripted = require "scripted"
local weir = require "weir"

local POISON = 0x5a


local function poisoned(size)
  local buffer = ffi.new("uint8_t[?]", size)
  ffi.fill(buffer, size, POISON)
  return buffer
end


local function untouched(buffer)
  for i = 0, ffi.sizeof(buffer) - 1 do
    if buffer[i] ~= POISON then return false end
  end
  return true
end


-- Returns what call(timeout) returns. It is called again with a longer timeout while no
-- worker began it in time, which code(...) of its results tells.
local function begun_in_time(call, code)
  local timeout = 0.02
  while true do
    local first, second = call(timeout)
    if code(first, second) ~= "skipped" or timeout > 10 then return first, second end
    timeout = 2 * timeout
  end
end


local function release(store, script)
  script.hold = false
  scripted.await(function() return store:stats().inflight.batches == 0 end)
end


describe("a late answer", function()
  it("never writes into the buffer of a get that timed out", function()
    local store, script = scripted.open()
    script.hold, script.deaf = true, true
    local buffer = poisoned(64)
    local size, err = begun_in_time(function(timeout)
      return store:get_into("a", buffer, { timeout = timeout })
    end, function(_, failure) return failure.code end)
    assert.is_nil(size)
    assert.equal("timeout", err.code)
    release(store, script)
    assert.is_true(untouched(buffer))
    assert.equal(32, store:get_into("a", buffer))
    store:close()
  end)

  it("never writes into the buffer of a task that was killed", function()
    local store, script = scripted.open()
    script.hold, script.deaf = true, true
    local buffer = poisoned(64)
    local task = weir.spawn(function() store:get_into("a", buffer) end)
    scripted.await(function() return script.inside == 1 end)
    weir.kill(task)
    weir.join(task)
    release(store, script)
    assert.is_true(untouched(buffer))
    store:close()
  end)

  it("of a whole batch times out every slot, and the next batch is its own", function()
    local store, script = scripted.open()
    script.hold, script.deaf = true, true
    local reply = begun_in_time(function(timeout)
      return store:get_many({ "a", "b" }, { timeout = timeout })
    end, function(answer) return answer[1] end)
    assert.same({ "timeout", "timeout" }, { reply[1], reply[2] })
    release(store, script)
    assert.equal(("b"):rep(32), store:get_many({ "b" }):string(1))
    store:close()
  end)

  it("is not asked for any more by what was still queued", function()
    local store, script = scripted.open { workers = 1 }
    script.hold, script.deaf = true, true
    local first = weir.spawn(function() return store:get "a" end)
    scripted.await(function() return script.inside == 1 end)
    local value, err = store:get("b", { timeout = 0.02 })
    assert.is_true(value == nil and err.retryable)
    script.hold = false
    weir.join(first)
    store:close()
    assert.equal(1, script.calls)
  end)
end)


describe("what C points at", function()
  it("outlives a collection at every step", function()
    local store = scripted.open()
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = weir.spawn(function()
        local key = "key" .. i .. ":"
        collectgarbage()
        local reply = store:get_many { key .. "x", key .. "y" }
        collectgarbage()
        return reply:string(1) == (key .. "x"):rep(32):sub(1, 32)
          and reply:string(2) == (key .. "y"):rep(32):sub(1, 32)
      end)
      collectgarbage()
    end
    for i = 1, 20 do
      assert.same({ true, true }, { weir.join(tasks[i]) })
    end
    store:close()
  end)

  it("outlives the coroutine that asked, behind a tail call", function()
    local store, script = scripted.open()
    script.hold = true
    local function ask(i) return store:set("key" .. i, ("v"):rep(i)) end
    local tasks = {}
    for i = 1, 200 do tasks[i] = weir.spawn(function() return ask(i) end) end
    collectgarbage()
    script.hold = false
    for i = 1, 200 do assert.same({ true, true }, { weir.join(tasks[i]) }) end
    store:close()
  end)

  it("is let go when the reply is closed, and by the collector", function()
    local store = weir.memory { capacity = "16MiB" }
    store:set("big", ("x"):rep(1024 * 1024))
    local reply = store:get_many { "big" }
    local value = reply:value(1)
    reply:close()
    assert.is_nil(reply:string(1))
    assert.equal(1024 * 1024, #value)
    value:close()
    assert.equal("", value:string())
    store:close()
  end)
end)


-- As in nginx: a coroutine that waits may be dropped without unwinding.
local function dropping_host()
  local host = { now = weir.now, name = "dropping" }
  function host.can_park() return true end
  function host.prepare() return {} end
  function host.wake() end
  function host.attach(queue) host.queue = queue end
  function host.detach() end
  function host.park() coroutine.yield() end
  return host
end


-- Starts fn under that host in a coroutine that nobody will ever resume; out of
-- another one, since a stale register of this would anchor it.
local function drop(host, fn)
  local before = Host.use(host)
  coroutine.wrap(function() coroutine.wrap(fn)() end)()
  Host.use(before)
end


describe("a waiter that vanished", function()
  it("leaves its memory in place until the completion, then it goes", function()
    local store, script = scripted.open()
    local host, given = dropping_host(), setmetatable({}, { __mode = "v" })
    local slab = poisoned(64)
    local function kept() return given[1] ~= nil end
    script.hold = true
    drop(host, function()
      local slice = { slab + 8, 32, slab }
      given[1] = slice
      store:get_into("a", slice)
    end)
    collectgarbage()
    collectgarbage()
    assert.is_true(kept())
    release(store, script)
    scripted.await(function()
      host.queue.drain()
      return host.queue.pending() == 0
    end)
    collectgarbage()
    collectgarbage()
    assert.is_false(kept())
    assert.equal(("a"):rep(32), ffi.string(slab + 8, 32))
    store:close()
  end)

  it("has its memory taken back when its host ends before the completion", function()
    local store, script = scripted.open()
    local host, buffer = dropping_host(), poisoned(64)
    script.hold, script.deaf = true, true
    drop(host, function() store:get_into("a", buffer) end)
    scripted.await(function() return script.inside == 1 end)
    host.queue.close()
    release(store, script)
    assert.is_true(untouched(buffer))
    store:close()
  end)
end)


describe("a host that never drains", function()
  it("is told that the queue is full, and loses nothing", function()
    local store, script = scripted.open { queue = 8, workers = 1 }
    script.hold = true
    local tasks, codes = {}, {}
    for i = 1, 40 do
      tasks[i] = weir.spawn(function()
        local value, err = store:get("k" .. i)
        return value and "ok" or err.code
      end)
    end
    script.hold = false
    for i = 1, 40 do
      local _, code = weir.join(tasks[i])
      codes[code] = (codes[code] or 0) + 1
    end
    assert.equal(40, (codes.ok or 0) + (codes.busy or 0))
    assert.is_true(codes.ok >= 8 and codes.busy > 0)
    store:close()
  end)
end)


describe("a wait where nothing can wait", function()
  it("is refused before anything is sent", function()
    local store, script = scripted.open()
    local before = Host.use {
      now = weir.now, can_park = function() return nil, "no waiting in this phase" end,
    }
    local value, err = store:get "a"
    Host.use(before)
    assert.is_nil(value)
    assert.matches("no waiting in this phase", err.message)
    assert.equal(0, script.calls)
    store:close()
  end)
end)
