-- fetch in four processes over one shm: one loader a machine.
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
