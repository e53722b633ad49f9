-- contract.lua: what every connector promises, through the verbs. A spec calls it
-- inside its `describe` with a way to open an empty store:
--
--   contract { open = function(options) return weir.memory(options) end }
--
-- `open` is given { max_value = } at times and must pass it on. Facts of the
-- connector: longest_key (default 65536), ttl (false: it has none), patience
-- (seconds in which what expired must be gone, default 2), atomic (the atomic ops that
-- it has, in words; "all" for all; it must refuse the others), plain (atomic ops that
-- it has without a time to live and without max_value, in words).
local busted = require "busted"
local ffi = require "ffi"
local assert = require "luassert"
local Op = require "weir.core.op"
local Store = require "weir.core.store"
local weir = require "weir"

local after_each, describe, it = busted.after_each, busted.describe, busted.it

local WAIT = 0.005


local function eventually(patience, done)
  local deadline = weir.now() + patience
  while not done() do
    if weir.now() > deadline then return false end
    weir.sleep(WAIT)
  end
  return true
end


local function bytes_of(from, to)
  local out = {}
  for byte = from, to do out[#out + 1] = string.char(byte) end
  return table.concat(out)
end


local function numbered(n, form)
  local keys = {}
  for i = 1, n do keys[i] = (form or "key:%d"):format(i) end
  return keys
end


local function scanned(store, opts)
  local counts, n = {}, 0
  for key in store:scan(opts) do
    counts[key] = (counts[key] or 0) + 1
    n = n + 1
  end
  return counts, n
end


local function single_keys(fresh, facts)
  local longest = facts.longest_key or 65536

  it("answers a miss with nil alone, until a set", function()
    local store = fresh()
    assert.same({}, { store:get "a" })
    assert.is_false(store:exists "a")
    assert.is_true(store:set("a", "one"))
    assert.equal("one", tostring(store:get "a"))
    assert.is_true(store:exists "a")
  end)

  it("answers what was set last", function()
    local store = fresh()
    for _, value in ipairs { "one", "", "a longer one", ("x"):rep(5000), "1" } do
      assert.is_true(store:set("a", value))
      assert.equal(value, tostring(store:get "a"))
    end
  end)

  it("forgets what is deleted, and says whether it was there", function()
    local store = fresh()
    assert(store:set("a", "one"))
    assert.is_true(store:delete "a")
    assert.is_nil(store:get "a")
    assert.is_false(store:exists "a")
    assert.is_false(store:delete "a")
  end)

  it("tells keys of any bytes apart", function()
    local store = fresh()
    local keys = { "a", "a\0", "\0a", "a\0b", "\0", "\r\n", " ", "../../x", "/", ".",
                   "..", "*", "a*", "%00", bytes_of(0, 255) }
    for byte = 128, 255 do keys[#keys + 1] = string.char(byte) end
    assert(store:set_many(keys, keys):all "good")
    local reply = store:get_many(keys)
    for i, key in ipairs(keys) do assert.equal(key, reply:string(i)) end
  end)

  it("takes keys up to its limit, and refuses one more byte", function()
    local store = fresh()
    local key = ("k"):rep(longest)
    assert.is_true(store:set(key, "long"))
    assert.is_true(store:set(key:sub(2), "shorter"))
    assert.equal("long", tostring(store:get(key)))
    local stored, err = store:set(key .. "k", "longer")
    assert.is_nil(stored)
    assert.equal("invalid", err.code)
  end)

  it("refuses the empty key", function()
    local stored, err = fresh():set("", "x")
    assert.is_nil(stored)
    assert.equal("invalid", err.code)
  end)
end


local function sizes(fresh)
  it("gives back values of every size and byte", function()
    local store = fresh()
    for _, size in ipairs { 0, 1, 2, 255, 256, 257, 4095, 4096, 4097, 1048577 } do
      local value = bytes_of(0, 255):rep(math.ceil(size / 256)):sub(1, size)
      assert.is_true(store:set("v", value))
      assert.is_true(value == tostring(store:get "v"), size .. " bytes differ")
      assert.equal(size, store:stat("v").size)
    end
  end)

  it("takes a value of max_value, and refuses one more byte", function()
    local store = fresh { max_value = "1000B" }
    assert.is_true(store:set("v", ("x"):rep(1000)))
    local stored, err = store:set("w", ("x"):rep(1001))
    assert.is_nil(stored)
    assert.equal("toobig", err.code)
    assert.equal(1000, #store:get "v")
    assert.is_nil(store:get "w")
  end)

  it("reads into a buffer and not beyond the value", function()
    local store = fresh()
    local buffer = ffi.new("char[8]", "........")
    assert(store:set("v", "12345"))
    assert.equal(5, store:get_into("v", buffer))
    assert.equal("12345...", ffi.string(buffer, 8))
  end)

  it("leaves a buffer that is too small alone, and says the size", function()
    local store = fresh()
    local buffer = ffi.new("char[4]", "....")
    assert(store:set("v", "12345"))
    local reply = store:get_into_many({ "v" }, { buffer })
    assert.equal("toobig", reply[1])
    assert.equal(5, reply:size(1))
    assert.equal("....", ffi.string(buffer, 4))
  end)

  it("keeps a value that was read, whatever happens to the key", function()
    local store = fresh()
    local old = ("old"):rep(5000)
    assert(store:set("v", old))
    local value = store:get "v"
    assert(store:set("v", ("new"):rep(5000)))
    store:delete "v"
    store:close()
    assert.is_true(tostring(value) == old)
  end)

  it("copies a value from key to key", function()
    local store = fresh()
    assert(store:set("a", ("x"):rep(10000)))
    assert.is_true(store:set("b", store:get "a"))
    assert.is_true(store:delete "a")
    assert.equal(("x"):rep(10000), tostring(store:get "b"))
  end)
end


local function batches(fresh)
  it("answers an empty batch", function()
    local store = fresh()
    assert.equal(0, #store:get_many {})
    assert.equal(0, #store:set_many({}, {}))
    assert.equal(0, #store:delete_many {})
  end)

  it("answers each of 10,000 keys in its place", function()
    local store, n = fresh(), 10000
    local keys = numbered(n)
    assert.is_true(store:set_many(keys, keys):all "good")
    local odd = {}
    for i = 1, n, 2 do odd[#odd + 1] = keys[i] end
    assert.equal(n / 2, store:delete_many(odd):count "good")
    local got, there = store:get_many(keys), store:exists_many(keys)
    for i = 1, n do
      local want = i % 2 == 1 and "miss" or "ok"
      assert(got[i] == want and there[i] == want, "slot " .. i)
      assert(got:string(i) == (want == "ok" and keys[i] or nil), "slot " .. i)
    end
  end)

  it("answers duplicates in every slot, and sets the last value", function()
    local store = fresh()
    assert.is_true(store:set_many({ "a", "b", "a" }, { "1", "2", "3" }):all "good")
    local reply = store:get_many { "a", "none", "a", "b", "none" }
    assert.same({ "ok", "miss", "ok", "ok", "miss" },
      { reply[1], reply[2], reply[3], reply[4], reply[5] })
    assert.same({ "3", "3", "2" },
      { reply:string(1), reply:string(3), reply:string(4) })
  end)

  it("mixes sizes in one batch", function()
    local store = fresh()
    local keys, values = {}, {}
    for i = 1, 64 do
      keys[i] = "m" .. i
      values[i] = string.char(i):rep(i % 4 == 0 and i * 3000 or i % 7)
    end
    assert.is_true(store:set_many(keys, values):all "good")
    local reply = store:get_many(keys)
    for i = 1, 64 do assert(reply:string(i) == values[i], "slot " .. i) end
  end)

  it("agrees with a plain table over random operations", function()
    local store, model = fresh(), {}
    local seed = os.time()
    math.randomseed(seed)
    for step = 1, 600 do
      local keys, values = {}, {}
      for i = 1, math.random(20) do
        keys[i] = "r" .. math.random(60)
        values[i] = ("%d:%d;"):format(step, i):rep(math.random(0, 100))
      end
      local op = math.random(4)
      if op == 1 then
        assert(store:set_many(keys, values):all "good")
        for i, key in ipairs(keys) do model[key] = values[i] end
      elseif op == 2 then
        store:delete_many(keys)
        for _, key in ipairs(keys) do model[key] = nil end
      else
        local reply = store:get_many(keys)
        for i, key in ipairs(keys) do
          assert(reply:string(i) == model[key], ("seed %d, step %d"):format(seed, step))
        end
      end
    end
  end)
end


local function expiry(fresh, patience)
  it("forgets a value when its time is up", function()
    local store, ttl = fresh(), 0.1
    local began, value
    repeat -- A busy machine may need longer than the time that the key has.
      ttl, began = 2 * ttl, weir.now()
      assert.is_true(store:set("t", "x", { ttl = ttl }))
      assert.is_true(store:set("stays", "y"))
      value = store:get "t"
    until weir.now() - began < ttl or ttl > 10
    assert.equal("x", tostring(value))
    assert.is_true(eventually(patience, function() return store:get "t" == nil end))
    assert.is_false(store:exists "t")
    assert.same({}, { store:stat "t" })
    assert.is_false(store:touch("t", 10))
    assert.is_nil(scanned(store).t)
    assert.equal("y", tostring(store:get "stays"))
  end)

  it("says the time that is left", function()
    local store = fresh()
    assert(store:set("t", "x", { ttl = 100 }))
    assert(store:set("stays", "x"))
    local left = store:stat("t").ttl
    assert.is_true(left > 98 and left <= 100)
    assert.is_nil(store:stat("stays").ttl)
  end)

  it("gives a value a new time by touch, and by set", function()
    local store, ttl = fresh(), 0.1
    local began, touched
    repeat -- A busy machine may need longer than the time that the keys have.
      ttl, began = 2 * ttl, weir.now()
      for _, key in ipairs { "a", "b", "c" } do
        assert(store:set(key, "x", { ttl = ttl }))
      end
      touched = { store:touch("a", 100), (store:touch "b"), (store:set("c", "y")) }
    until weir.now() - began < ttl or ttl > 10
    assert.same({ true, true, true }, touched)
    assert(store:set("t", "x", { ttl = ttl }))
    assert.is_true(eventually(patience, function() return store:get "t" == nil end))
    assert.is_true(store:stat("a").ttl > 90)
    assert.is_nil(store:stat("b").ttl)
    assert.equal("y", tostring(store:get "c"))
    assert.is_false(store:touch("none", 1))
  end)
end


local function scans(fresh)
  it("walks every key once, whatever the page", function()
    local store = fresh()
    local keys = numbered(300, "s/%d")
    assert(store:set_many(keys, keys):all "good")
    for _, page in ipairs { 1, 7, 1000 } do
      local counts, n = scanned(store, { page = page })
      assert.equal(300, n)
      for _, key in ipairs(keys) do assert.equal(1, counts[key]) end
    end
    assert.same({}, scanned(store, { prefix = "t" }))
    assert.equal(10, select(2, scanned(store, { limit = 10 })))
  end)

  it("chooses the page itself when none is asked for", function()
    local store = fresh()
    local keys = numbered(300, "s/%d")
    assert(store:set_many(keys, keys):all "good")
    local unpaged = Store.new {
      run = function(_, req)
        req.page = nil
        return store:run(req)
      end,
    }
    local counts, n = scanned(unpaged)
    assert.equal(300, n)
    for _, key in ipairs(keys) do assert.equal(1, counts[key]) end
  end)

  it("takes a prefix literally", function()
    local store = fresh()
    local keys = { "a*b", "a*c", "ab", "a[b]", "a?b", "a\\b", "a", "\0a" }
    assert(store:set_many(keys, keys):all "good")
    assert.same({ ["a*b"] = 1, ["a*c"] = 1 }, scanned(store, { prefix = "a*" }))
    assert.same({ ["a[b]"] = 1 }, scanned(store, { prefix = "a[" }))
    assert.same({ ["a?b"] = 1 }, scanned(store, { prefix = "a?" }))
    assert.same({ ["a\\b"] = 1 }, scanned(store, { prefix = "a\\" }))
    assert.same({ ["\0a"] = 1 }, scanned(store, { prefix = "\0" }))
  end)

  it("leaves out no key that stays while others come and go", function()
    local store = fresh()
    local staying, passing = numbered(200, "stay/%d"), numbered(2000, "pass/%d")
    assert(store:set_many(staying, staying):all "good")
    local counts, at = {}, 0
    for key in store:scan { page = 10 } do
      counts[key] = true
      if at < #passing then
        at = at + 1
        assert(store:set(passing[at], "x"))
      end
      if at > 100 then store:delete(passing[at - 100]) end
    end
    for _, key in ipairs(staying) do assert(counts[key], key .. " was left out") end
  end)
end


-- ---- atomic ops ----

local CHANGES = {}

function CHANGES.add(fresh)
  it("adds a value where there is none", function()
    local store = fresh()
    assert.is_true(store:add("a", "one"))
    assert.same({ false }, { store:add("a", "two") })
    assert.equal("one", tostring(store:get "a"))
    assert.is_true(store:delete "a")
    local large = ("x"):rep(100000)
    assert.is_true(store:add("a", large))
    assert.equal(large, tostring(store:get "a"))
    local reply = store:add_many({ "b", "a", "c" }, { "1", "2", "3" })
    assert.same({ "ok", "rejected", "ok" }, { reply[1], reply[2], reply[3] })
  end)

  it("lets exactly one of many add a key", function()
    local store, tasks, won = fresh(), {}, {}
    for i = 1, 8 do
      tasks[i] = weir.spawn(function()
        for n = 1, 20 do
          if store:add("lock" .. n, tostring(i)) then won[n] = (won[n] or 0) + 1 end
        end
      end)
    end
    for i = 1, 8 do weir.join(tasks[i]) end
    for n = 1, 20 do assert.equal(1, won[n]) end
  end)
end


function CHANGES.replace(fresh)
  it("replaces a value where there is one", function()
    local store = fresh()
    assert.same({ false }, { store:replace("a", "one") })
    assert.is_nil(store:get "a")
    assert(store:set("a", "one"))
    assert.is_true(store:replace("a", "two"))
    assert.equal("two", tostring(store:get "a"))
  end)
end


function CHANGES.incr(fresh)
  it("counts up and down, from 0", function()
    local store = fresh()
    assert.equal(1, store:incr "n")
    assert.equal(11, store:incr("n", 10))
    assert.equal(-100, store:incr("n", -111))
    assert.equal("-100", tostring(store:get "n"))
    assert(store:set("m", "41"))
    local reply = store:incr_many({ "m", "n", "o" }, { 1, 100, 7 })
    assert.same({ 42, 0, 7 }, { reply:number(1), reply:number(2), reply:number(3) })
  end)

  it("refuses what is no number of 64 bits, and leaves it alone", function()
    local store = fresh()
    for _, text in ipairs { "", "x", "1x", " 1", "+1", "01", "1.5", "-",
      "9223372036854775808", ("1"):rep(300), "9223372036854775807" } do
      assert(store:set("n", text))
      local sum, err = store:incr "n"
      assert.is_nil(sum)
      assert.equal("invalid", err.code, text)
      assert.equal(text, tostring(store:get "n"))
    end
    assert(store:set("n", "9223372036854775806"))
    assert.equal(9223372036854775807LL, store:incr "n")
    assert(store:set("n", "-9223372036854775807"))
    assert.equal("-9223372036854775808LL", tostring(store:incr("n", -1)))
    assert.is_nil((store:incr("n", -1)))
  end)

  -- A Lua number has every integer below 2^53. 2^53 itself may be 2^53 + 1, rounded.
  it("returns sums over 2^53 to the last digit", function()
    local store = fresh()
    for _, sign in ipairs { 1, -1 } do
      assert(store:set("n", ("%.0f"):format(sign * (2 ^ 53 - 2))))
      for i = 1, 4 do
        local sum = assert(store:incr("n", sign))
        local digits = tostring(store:get "n")
        assert.equal(digits, (tostring(sum + 0LL):gsub("LL$", "")), i)
        assert.equal(i == 1 and "number" or "cdata", type(sum))
      end
    end
  end)

  it("loses no count of many", function()
    local store, tasks = fresh(), {}
    for i = 1, 8 do
      tasks[i] = weir.spawn(function()
        for _ = 1, 25 do assert(store:incr "n") end
      end)
    end
    for i = 1, 8 do weir.join(tasks[i]) end
    assert.equal("200", tostring(store:get "n"))
  end)
end


function CHANGES.append(fresh, _, plain)
  it("appends to values of every size", function()
    local store, whole = fresh(), ""
    for _, size in ipairs { 0, 1, 100, 200, 5000, 0, 300, 100000, 3 } do
      local piece = ("abcdefg"):rep(math.ceil(size / 7)):sub(1, size)
      whole = whole .. piece
      assert.equal(#whole, store:append("v", piece))
      assert.is_true(whole == tostring(store:get "v"), "after " .. size)
    end
    local reply = store:append_many({ "v", "w" }, { "x", "yz" })
    assert.same({ #whole + 1, 2 }, { reply:number(1), reply:number(2) })
  end)

  if plain then return end
  it("appends up to max_value and no further", function()
    local store = fresh { max_value = "1000B" }
    assert.equal(600, store:append("v", ("x"):rep(600)))
    local length, err = store:append("v", ("x"):rep(401))
    assert.is_nil(length)
    assert.equal("toobig", err.code)
    assert.equal(1000, store:append("v", ("x"):rep(400)))
    assert.equal(1000, #store:get "v")
  end)
end


function CHANGES.cas(fresh)
  it("sets a value if the one that is there is as expected", function()
    local store = fresh()
    assert.same({ false }, { store:cas("a", "x", "one") })
    for _, old in ipairs { "", "one", ("x"):rep(5000), ("y"):rep(100000) } do
      assert(store:set("a", old))
      assert.same({ false }, { store:cas("a", "new", old .. "?") })
      assert.equal(old, tostring(store:get "a"))
      local version = store:get_many({ "a" }):version(1)
      assert.is_true(store:cas("a", "new", version))
      assert.same({ false }, { store:cas("a", "newer", version) })
      assert.equal("new", tostring(store:get "a"))
    end
    assert.is_true(store:cas("a", ("z"):rep(100000), store:get "a"))
    local reply = store:cas_many({ "a", "b" }, { "1", "2" }, { "other", "none" })
    assert.same({ "rejected", "miss" }, { reply[1], reply[2] })
    assert.equal(100000, #store:get "a")
  end)

  it("counts right in loops of get and cas", function()
    local store, tasks = fresh(), {}
    assert(store:set("n", "0"))
    for i = 1, 4 do
      tasks[i] = weir.spawn(function()
        for _ = 1, 10 do
          repeat
            local old = assert(store:get "n")
            local next_one = tostring(tonumber(tostring(old)) + 1)
            local stored, err = store:cas("n", next_one, old)
            assert.is_nil(err)
          until stored
        end
      end)
    end
    for i = 1, 4 do weir.join(tasks[i]) end
    assert.equal("40", tostring(store:get "n"))
  end)
end


function CHANGES.gat(fresh, patience)
  it("reads and gives a new time", function()
    local store = fresh()
    assert.same({}, { store:gat("a", 10) })
    for _, value in ipairs { "", "x", ("x"):rep(5000) } do
      assert(store:set("a", value))
      assert.equal(value, tostring(store:gat("a", 100)))
      local left = store:stat("a").ttl
      assert.is_true(left > 90 and left <= 100)
      assert.equal(value, tostring(store:gat("a")))
      assert.is_nil(store:stat("a").ttl)
    end
    assert.equal(5000, #store:gat("a", 0.1))
    assert.is_true(eventually(patience, function() return store:get "a" == nil end))
  end)
end


function CHANGES.take(fresh)
  it("reads and removes", function()
    local store = fresh()
    assert.same({}, { store:take "a" })
    for _, value in ipairs { "", "x", ("x"):rep(5000) } do
      assert(store:set("a", value))
      assert.equal(value, tostring(store:take "a"))
      assert.is_nil(store:get "a")
    end
  end)
end


-- What atomic ops do with the time to live: a value that is there keeps its own where
-- a part of it is changed.
local function changed_times(fresh, has)
  local function left(store, key)
    return math.ceil((store:stat(key).ttl or 0) / 100) * 100
  end

  it("gives times to values that atomic ops make", function()
    local store = fresh()
    local ops = {
      add = function(key, opts) return store:add(key, "1", opts) end,
      incr = function(key, opts) return store:incr(key, 1, opts) end,
      append = function(key, opts) return store:append(key, "1", opts) end,
    }
    for op, run in pairs(ops) do
      if has[op] then
        assert(run(op, { ttl = 100 }))
        assert(run(op .. "2"))
        assert.same({ 100, 0 }, { left(store, op), left(store, op .. "2") }, op)
      end
    end
    for _, op in ipairs { "incr", "append" } do
      if has[op] then
        assert(ops[op](op, { ttl = 1000 }))
        assert(ops[op](op .. "2", { ttl = 1000 }))
        assert.same({ 100, 0 }, { left(store, op), left(store, op .. "2") }, op)
        for _ = 1, 12 do assert(ops[op](op)) end
        assert.equal(100, left(store, op))
      end
    end
    for _, op in ipairs { "replace", "cas" } do
      if has[op] then
        assert(store:set(op, "1", { ttl = 1000 }))
        assert.is_true(store[op](store, op, "2", op == "cas" and "1" or { ttl = 100 },
          { ttl = 100 }))
        assert.equal(100, left(store, op))
      end
    end
  end)
end


local ARGUMENTS = { cas = { "x", "y" }, take = {}, gat = {}, incr = {} }

local function listed(words, op)
  return (" " .. (words or "") .. " "):find(" " .. op .. " ", 1, true) ~= nil
end


local function changes(fresh, facts)
  local has, timed = {}, {}
  for op in pairs(Op.atomic) do
    local plain = listed(facts.plain, op)
    timed[op] = facts.atomic == "all" or listed(facts.atomic, op)
    has[op] = timed[op] or plain
    if has[op] then CHANGES[op](fresh, facts.patience or 2, plain) end
  end
  if facts.ttl ~= false then changed_times(fresh, timed) end

  it("says of each atomic op whether it has it", function()
    local store = fresh()
    for op in pairs(Op.atomic) do
      assert(store:set("a", "1"))
      local _, err = store[op](store, "a", unpack(ARGUMENTS[op] or { "x" }))
      assert.equal(not has[op], err ~= nil and err.code == "unsupported", op)
      if not has[op] then assert.equal("1", tostring(store:get "a")) end
    end
  end)
end


local function closing(fresh)
  it("refuses everything once closed, and closes twice", function()
    local store = fresh()
    assert(store:set("a", "x"))
    assert.is_true(store:close())
    assert.is_true(store:close())
    local value, err = store:get "a"
    assert.is_nil(value)
    assert.equal("skipped", err.code)
    assert.is_true(store:set_many({ "a", "b" }, { "x", "y" }):all "error")
  end)
end


return function(facts)
  local open = {}

  local function fresh(options)
    local store = facts.open(options or {})
    open[#open + 1] = store
    return store
  end

  after_each(function()
    for _, store in ipairs(open) do store:close() end
    open = {}
  end)

  describe("keeps the contract:", function()
    single_keys(fresh, facts)
    sizes(fresh)
    batches(fresh)
    if facts.ttl ~= false then expiry(fresh, facts.patience or 2) end
    scans(fresh)
    changes(fresh, facts)
    closing(fresh)
  end)
end
