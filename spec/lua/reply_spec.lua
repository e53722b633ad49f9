local Reply = require "weir.core.reply"
local Request = require "weir.core.request"


local function answer(op, statuses)
  local keys = {}
  for i = 1, #statuses do keys[i] = "k" .. i end
  local reply = Reply.new(Request.new(op, keys))
  for i, name in ipairs(statuses) do
    reply:set(i, name, name == "ok" and { value = "v" .. i } or nil)
  end
  return reply
end

-- Thousands of instructions that fn takes, none of them compiled.
local function effort(fn)
  local n = 0
  jit.flush()
  jit.off()
  debug.sethook(function() n = n + 1 end, "", 1000)
  fn()
  debug.sethook()
  jit.on()
  return n
end


describe("a reply", function()
  it("is as long as what was asked, and lists the statuses", function()
    local reply = answer("get", { "ok", "miss", "timeout" })
    assert.equal(3, #reply)
    assert.equal(3, reply.n)
    assert.equal("miss", reply.status[2])
    assert.equal("v1", reply:string(1))
    assert.is_nil(reply:string(2))
    assert.is_nil(reply:string(4))
    assert.equal("v1", tostring(reply:value(1)))
  end)

  it("counts by status, and by good and error", function()
    local reply = answer("get", { "ok", "miss", "timeout", "busy" })
    assert.same({ 1, 1, 1, 2 }, {
      reply:count "good", reply:count "ok", reply:count "miss", reply:count "error",
    })
    assert.is_true(reply:any "busy" and not reply:any "reset")
    assert.is_true(answer("get", { "ok", "ok" }):all "good")
    assert.is_false(reply:all "good")
  end)

  it("gives an error for errors and rejections, none for a miss", function()
    local reply = answer("set", { "ok", "miss", "timeout", "rejected" })
    assert.is_nil(reply:error(1))
    assert.is_nil(reply:error(2))
    assert.equal("timeout", reply:error(3).code)
    assert.equal("rejected", reply:error(4).code)
  end)

  it("gives the batch's sentence to its error, and says so to others", function()
    local reply = answer("get", { "timeout", "timeout" })
    reply.message, reply.store = "far: 50 ms passed", "far"
    assert.equal("far: 50 ms passed", reply:error(2).message)
    reply:set(2, "toobig")
    assert.equal("far: the value is too big (first of the batch: far: 50 ms passed)",
      reply:error(2).message)
  end)

  it("says so again after a slot has changed", function()
    local function is_shared(reply) return reply:words(1) == "far: 50 ms passed" end
    local reply = answer("get", { "timeout", "ok", "timeout" })
    reply.message, reply.store = "far: 50 ms passed", "far"
    assert.is_true(is_shared(reply))
    reply:set(2, "toobig")
    assert.is_false(is_shared(reply))
    reply:adopt(2, answer("get", { "miss" }), 1)
    assert.is_true(is_shared(reply))
    reply:place(answer("get", { "busy" }), { 2 })
    assert.is_false(is_shared(reply))
  end)

  it("takes no longer for a slot of many to say what failed", function()
    local function all_failed(n)
      local statuses, slots = {}, {}
      for i = 1, n do statuses[i], slots[i] = "timeout", i end
      local reply, other = answer("get", statuses), answer("get", statuses)
      reply.message = "far: 50 ms passed"
      return effort(function()
        for i = 1, n do reply:error(i) end
        reply:expand(slots)
        other:place(reply, slots)
      end)
    end
    local few, many = all_failed(500), all_failed(2000)
    assert.is_true(many < 6 * few, ("%d for 500, %d for 2000"):format(few, many))
  end)

  it("asks on for what is not good, and merges the answers by position", function()
    local reply = answer("get", { "ok", "miss", "timeout" })
    local rest = reply:residual()
    assert.same({ "k2", "k3" }, rest.keys)
    local second = Reply.new(rest)
    second:set(1, "ok", { value = "second" })
    second:set(2, "ok", { value = "third" })
    reply:merge(second)
    second:close()
    assert.same({ "v1", "second", "third" },
      { reply:string(1), reply:string(2), reply:string(3) })
    assert.is_true(reply:all "good")
  end)

  local READS = {
    { "ok", "timeout", "ok" }, { "timeout", "ok", "ok" }, { "miss", "ok", "ok" },
    { "miss", "timeout", "timeout" }, { "timeout", "miss", "timeout" },
    { "busy", "timeout", "busy" }, { "miss", "miss", "miss" },
  }
  for _, case in ipairs(READS) do
    local one, two, both = unpack(case)
    it(("of a read merges %s and %s to %s"):format(one, two, both), function()
      assert.equal(both, answer("get", { one }):merge(answer("get", { two }))[1])
    end)
  end

  local WRITES = {
    { "ok", "ok", "ok" },
    { "ok", "timeout", "timeout" }, { "timeout", "ok", "timeout" },
    { "busy", "failed", "failed" }, { "ok", "rejected", "rejected" },
  }
  for _, case in ipairs(WRITES) do
    local one, two, both = unpack(case)
    it(("of a write merges %s and %s to %s"):format(one, two, both), function()
      assert.equal(both, answer("set", { one }):merge(answer("set", { two }))[1])
    end)
  end

  it("takes all facts of a slot over, and drops those it had", function()
    local one, two = answer("get", { "timeout" }), answer("get", { "miss", "ok" })
    one:set(1, "timeout", { message = "old", store = "x" })
    two:set(2, "ok",
      { value = "new", level = 2, attempts = 3, stale = true, ttl = 7 })
    one:adopt(1, two, 2)
    assert.same({ "ok", "new", 2, 3, true, 7 }, {
      one[1], one:string(1), one:level(1), one:attempts(1), one.stale[1], one:ttl(1),
    })
    one:adopt(1, two, 1)
    assert.is_nil(one:string(1))
    assert.is_nil(one.stale[1])
  end)

  it("says which level answered, 1 unless a tier said otherwise", function()
    local reply = answer("get", { "ok", "miss" })
    assert.equal(1, reply:level(1))
    assert.is_nil(reply:level(2))
  end)

  it("widens to a slot for each duplicate", function()
    local wide = answer("get", { "ok", "miss" }):expand { 1, 2, 1 }
    assert.same({ "ok", "miss", "ok" }, { wide[1], wide[2], wide[3] })
    assert.equal("v1", wide:string(3))
    assert.equal(4, wide:bytes())
  end)

  it("refuses a status that there is not, at the caller", function()
    local ok, why = pcall(function() Reply.new(1):set(1, "okay") end)
    assert.is_false(ok)
    assert.matches('reply_spec.lua:%d+: no status is called "okay"', why)
  end)
end)
