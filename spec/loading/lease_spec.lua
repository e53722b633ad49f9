-- fetch in four processes over one shm: one loader a machine.
local C = require("weir.ffi").C
local fake = require "fake"
local script = require "fake.store"
local shell = require "shell"
local weir = require "weir"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir"
local PROCESSES, CALLERS = 4, 250

local DRIVER = [[
  for i in 1 2 3 4; do
    WEIR run spec/loading/lease_worker.lua FOLDER CALLERS HOW $i &
  done
  n=0
  while [ $(wc -l <FOLDER/ready) -lt 4 ] && [ $n -lt 300 ]; do
    sleep 0.05; n=$((n + 1))
  done
  touch FOLDER/go
  wait
]]


describe("fetch in many processes", function()
  local folder, store
  before_each(function()
    folder = shell.ram_folder()
    store = weir.shm { path = folder .. "/shm", capacity = "1MiB" }
  end)
  after_each(function()
    store:close()
    shell.remove(folder)
  end)

  local function lines(name)
    local counts, n = {}, 0
    for line in io.lines(folder .. "/" .. name) do
      counts[line], n = (counts[line] or 0) + 1, n + 1
    end
    return n, counts
  end

  local function run(how)
    for _, name in ipairs { "loads", "got", "ready" } do
      shell.write(folder .. "/" .. name, "")
    end
    shell.run(DRIVER:gsub("%u%u%u+", { WEIR = WEIR, FOLDER = folder,
      CALLERS = tostring(CALLERS), HOW = how }))
    local got, values = lines "got"
    return lines "loads", got, values, store:stats().gauges
  end

  it("calls one loader", function()
    local loads, got, values = run "value"
    assert.equal(1, loads)
    assert.equal(PROCESSES * CALLERS, got)
    local value = next(values)
    assert.matches("^loaded by %d$", value)
    assert.equal(PROCESSES * CALLERS, values[value])
  end)

  it("lets exactly one take over when the process that loads is killed", function()
    local loads, got, values, gauges = run "die"
    assert.equal(2, loads)
    assert.equal((PROCESSES - 1) * CALLERS, got)
    assert.equal(got, values[next(values)])
    assert.equal(1, gauges.leases_taken_over)
  end)

  it("lets another process load when a loader fails", function()
    local loads, got, values = run "fail"
    assert.equal(2, loads)
    assert.equal(PROCESSES * CALLERS, got)
    assert.equal(CALLERS, values.error)
  end)

  it("shares that there is no value", function()
    local loads, _, values = run "absent"
    assert.equal(1, loads)
    assert.equal(PROCESSES * CALLERS, values.nothing)
  end)
end)


-- Each tree here has a store of its own over one mapping, as a process would.
describe("fetch beside another process", function()
  local folder, opened
  before_each(function() folder, opened = shell.ram_folder(), {} end)
  after_each(function()
    fake.leave()
    for _, store in ipairs(opened) do store:close() end
    C.weir_set_now(0)
    shell.remove(folder)
  end)

  local function on_clock(seconds) C.weir_set_now(seconds * 1e9) end

  local function process()
    local store = weir.shm { path = folder .. "/shm", capacity = "128KiB" }
    opened[#opened + 1] = store
    return store
  end

  it("deletes no value that it set meanwhile, when there is none to load", function()
    local host = fake.host { on_clock = on_clock }
    on_clock(host.now())
    local a, b = process(), process()
    local how, loads = { ttl = 1, stale_if_error = 60 }, 0
    host:main(function()
      assert(a:fetch("k", function() return "v0" end, how))
      host.sleep(2)
      assert.equal("v0", b:get_string "k")
      a:fetch("k", function()
        loads = loads + 1
        assert(b:set("k", "v2"))
        return nil
      end, how)
    end)
    assert.equal(1, loads)
    assert.equal("v2", b:get_string "k")
  end)

  it("deletes no value that it set after a set without an answer", function()
    local host = fake.host()
    local far = script.store(host, "far", { faults = { k = { "ok", "timeout" } } })
    local a, b = weir.tier { process(), far }, weir.tier { process(), far }
    host:main(function()
      host:hold "far.delete"
      host.spawn(a.fetch, a, "k", function() return "v1" end)
      assert.equal("v1", far.data.k)
      host.spawn(b.set, b, "k", "v2")
      host.sleep(0.1)
      host:release "far.delete"
      host.sleep(1)
      assert.equal("v2", far.data.k)
      assert.equal("v2", a:get_string "k")
      assert.same({ "get k", "set k", "delete k", "set k" }, { unpack(far.log, 1, 4) })
      far.faults.l = { "ok", "timeout" }
      assert.equal("v1", tostring(a:fetch("l", function() return "v1" end)))
      host.sleep(1)
      assert.is_nil(far.data.l)
    end)
  end)
end)
