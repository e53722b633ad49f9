-- A guard: what a session and `weir cp` hold instead of a store.
local Guard = require "weir.app.explore.guard"
local weir = require "weir"


describe("a guard", function()
  local inner

  before_each(function() inner = weir.memory {} end)
  after_each(function() inner:close() end)

  local function guard(fields)
    fields.inner, fields.title = inner, "db"
    return Guard.new(fields)
  end

  it("lets no verb change a store that is read-only", function()
    inner:set("a", "1")
    local db = guard { read_only = true }
    for _, result in ipairs {
      { db:set("a", "2") }, { db:delete "a" }, { db:touch("a", 5) },
    } do
      assert.equal("denied", result[2].code)
    end
    assert.is_true(db:set_many({ "a" }, { "2" }):all "denied")
    assert.is_true(db:delete_many({ "a" }):all "denied")
    assert.equal("1", tostring(db:get "a"))
  end)

  it("stays in the way of policies that are built over it", function()
    local db = guard { read_only = true }
    local tree = weir.tier { weir.memory {}, db:retry { 1 } }
    assert.equal("denied", select(2, tree:set("a", "1")).code)
    assert.is_nil(inner:get "a")
  end)

  it("changes a prod store only with consent, asked by the keys", function()
    local asked, answer = {}, false
    local db = guard {
      prod = true, scope = "this line",
      confirm = function(question)
        asked[#asked + 1] = question
        return answer
      end,
    }
    assert.equal("denied", select(2, db:set("a", "1")).code)
    answer = true
    assert.is_true(db:delete_many({ "a", "b" }):all "miss")
    assert.same({
      "db is marked prod: set 1 key, and what else this line changes?",
      "db is marked prod: delete 2 keys, and what else this line changes?",
    }, asked)
    assert.is_nil(db:get "a")
    assert.equal(2, #asked)
  end)

  it("knows a mark anywhere in a tree, but for those of another guard", function()
    inner.prod = true
    assert.is_true(Guard.is_prod(weir.tier { weir.memory {}, inner:retry { 1 } }))
    assert.is_false(Guard.is_prod(weir.tier { weir.memory {}, guard { prod = true } }))
    assert.is_false(Guard.is_prod(weir.memory {}))
  end)

  it("is the store in a tree's paths and traces", function()
    inner:set("a", "1")
    local tree = weir.tier { weir.memory {}, guard {} }
    assert.equal("tier\n  1 = memory\n  2 = memory", tostring(tree:tree()))
    for _, step in ipairs((tree:trace "a")) do assert.is_string(step.path) end
  end)

  it("breaks a share of the answers, and heals", function()
    local db = guard {}
    assert.is_false(db:heal())
    db:break_some(1, "busy")
    db:break_some(1, "timeout")
    assert.equal("timeout", select(2, db:get "a").code)
    assert.is_true(db:heal())
    assert.same({}, { db:get "a" })
  end)
end)
