-- The libev loop of runtime/loop.c, called as host/ev.lua calls it.
local ffi = require "ffi"
local Ffi = require "weir.ffi"

local EBUSY, EINVAL = -16, -22
local SIGKILL, SIGUSR2 = 9, 12

describe("a loop", function()
  local L = Ffi.loop()

  local function new_loop()
    local slot = ffi.new "struct weir_loop *[1]"
    assert.equal(0, L.weir_loop_new(slot))
    return slot[0]
  end

  it("refuses a signal that another loop watches, until that ends", function()
    local one, other = new_loop(), new_loop()
    assert.equal(0, L.weir_loop_signal(one, SIGUSR2, 1))
    assert.equal(0, L.weir_loop_signal(one, SIGUSR2, 2))
    assert.equal(EBUSY, L.weir_loop_signal(other, SIGUSR2, 1))
    assert.equal(0, L.weir_loop_signal(other, SIGUSR2, 0))
    assert.equal(EBUSY, L.weir_loop_signal(other, SIGUSR2, 1))
    L.weir_loop_free(one)
    assert.equal(0, L.weir_loop_signal(other, SIGUSR2, 1))
    assert.equal(0, L.weir_loop_signal(other, SIGUSR2, 0))
    L.weir_loop_free(other)
  end)

  it("refuses what is no signal, or none that can be caught", function()
    local loop = new_loop()
    for _, signum in ipairs { -1, 0, 1000, SIGKILL } do
      assert.equal(EINVAL, L.weir_loop_signal(loop, signum, 1))
    end
    L.weir_loop_free(loop)
  end)

  it("returns at once when it would wait for ever for nothing", function()
    local loop, events = new_loop(), ffi.new "struct weir_loop_event[1]"
    assert.equal(0, L.weir_loop_poll(loop, -1ULL, events, 1))
    L.weir_loop_free(loop)
  end)
end)
