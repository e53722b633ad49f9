local status = require "weir.core.status"
local Error = require "weir.core.error"

describe("a status", function()
  it("has a class, a rank, and says whether to try again", function()
    assert.equal("good", status.class.ok)
    assert.equal("miss", status.class.miss)
    assert.equal("miss", status.class.rejected)
    assert.equal("error", status.class.timeout)
    assert.is_true(status.rank.busy < status.rank.timeout)
    assert.same({ "any", "idempotent", "no" },
      { status.retry.busy, status.retry.reset, status.retry.failed })
    assert.equal("maybe", status.applied.timeout)
  end)

  it("has words for people, each of its own", function()
    local seen = {}
    for _, name in pairs(status.names) do
      local phrase = status.phrase(name)
      assert.is_nil(seen[phrase], phrase)
      assert.not_equal(name, phrase)
      seen[phrase] = true
    end
  end)
end)


describe("an error", function()
  it("reads as its sentence and knows whether to try again", function()
    local err = Error.new("busy", "redis: queue full", "redis")
    assert.equal("redis: queue full", tostring(err))
    assert.equal("why: redis: queue full", "why: " .. err)
    assert.is_true(err.retryable)
    assert.is_false(Error.new("denied").retryable)
  end)

  it("names the store when nobody said more", function()
    local err = Error.new("timeout", nil, "redis")
    assert.equal("redis: no answer in time", tostring(err))
  end)

  it("refuses a code that is no status, at the caller", function()
    local ok, why = pcall(function() Error.new "tiemout" end)
    assert.is_false(ok)
    assert.matches('status_spec.lua:%d+: no status is called "tiemout"', why)
  end)
end)
