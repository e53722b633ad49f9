-- What the exploring commands find, over a store in this process.
local View = require "weir.app.explore.view"
local Reply = require "weir.core.reply"
local Store = require "weir.core.store"
local cjson = require "cjson"
local weir = require "weir"


-- Runs a command; returns its exit code, its lines and its remarks.
local function explore(name, args, json)
  local lines, remarks = {}, {}
  local view = View.new {
    json = json, quiet = true,
    print = function(text) lines[#lines + 1] = text end,
    remark = function(text) remarks[#remarks + 1] = text end,
  }
  local command = require("weir.app.explore." .. name)
  for _, row in ipairs(command.arguments) do
    if args[row.name] == nil then args[row.name] = row.default end
  end
  for _, row in ipairs(command.options or {}) do
    if args[row.name] == nil then args[row.name] = row.default end
  end
  local code = command.run(view, args)
  return code, table.concat(lines, "\n"), table.concat(remarks, "\n"), lines
end


-- A store that answers everything with one error.
local function failing(status)
  return Store.new {
    name = "failing",
    run = function(_, req)
      local reply = Reply.new(req)
      for i = 1, req.n do reply:set(i, status, { message = "failing: no" }) end
      return reply
    end,
  }
end


local function objects(lines)
  local list = {}
  for i, line in ipairs(lines) do list[i] = cjson.decode(line) end
  return list
end


describe("exploring", function()
  local store, other

  before_each(function()
    store, other = weir.memory {}, weir.memory {}
    store:set("user:1", "one")
    store:set("user:22", "twenty-two")
    store:set("session:1", ("s"):rep(5000), { ttl = 100 })
    store:set("alone", "a")
  end)

  after_each(function()
    store:close()
    other:close()
  end)

  it("shows the head of a value as a literal, and its size", function()
    local code, text = explore("head", { store = store, key = "session:1", bytes = 4 })
    assert.equal(0, code)
    assert.equal('"ssss"...\n4 B of 4.88 KiB', text)
  end)

  it("says that a key is not there, and answers 1", function()
    for _, name in ipairs { "head", "hex", "where" } do
      local code, _, remark = explore(name, { store = store, key = "no\1" })
      assert.equal(1, code)
      assert.equal('no such key: "no\\001"', remark)
    end
  end)

  it("dumps head and tail, names what the bytes look like", function()
    store:set("zipped", "\31\139\8" .. ("\0"):rep(997))
    local code, text = explore("hex", { store = store, key = "zipped", bytes = 16 })
    assert.equal(0, code)
    assert.matches("^1000 B, gzip, 0.03 bits a byte\n00000000  1f 8b 08 00", text)
    assert.matches("\n000003e0  00 00 00 00 00 00 00 00 +|........|$", text)
  end)

  it("dumps a short value once", function()
    local _, text = explore("hex", { store = store, key = "user:22", bytes = 16 })
    assert.equal("10 B, text, 2.65 bits a byte\n"
      .. "00000000  74 77 65 6e 74 79 2d 74  77 6f                    |twenty-two|",
      text)
  end)

  it("counts bytes and keys by the next part of the key", function()
    local _, _, _, lines = explore("du", { store = store }, true)
    assert.same({
      { prefix = "session:", keys = 1, bytes = 5000 },
      { prefix = "user:", keys = 2, bytes = 13 },
      { prefix = "", keys = 1, bytes = 1 },
    }, objects(lines))
    _, _, _, lines = explore("du", { store = store, prefix = "user:" }, true)
    assert.same({ { prefix = "user:", keys = 2, bytes = 13 } }, objects(lines))
  end)

  it("finds the largest values, with their times to live", function()
    local _, _, _, lines = explore("big", { store = store, n = 2 }, true)
    local found = objects(lines)
    assert.equal(2, #found)
    assert.same({ "session:1", 5000, true },
      { found[1].key, found[1].size, found[1].ttl > 90 })
    assert.same({ key = "user:22", size = 10 }, found[2])
  end)

  it("stops a walk at its limit and says so", function()
    local _, text, remark = explore("big", { store = store, limit = 2 })
    assert.matches("2 keys", text)
    assert.equal("stopped after 2 keys", remark)
  end)

  it("copies values and times to live, and finds no difference then", function()
    local code, text = explore("cp", { store = store, other = other })
    assert.same({ 0, "from memory to memory:\ncopied 4 keys, 4.90 KiB" },
      { code, text })
    assert.is_true(other:stat("session:1").ttl > 90)
    assert.is_nil(other:stat("alone").ttl)
    code, text = explore("diff", { store = store, other = other, values = true })
    assert.equal(0, code)
    assert.matches("4 the same$", text)
  end)

  it("asks for times to live that a scan does not tell", function()
    local vague = Store.new {
      name = "vague",
      run = function(_, req) return store:run(req) end,
      scan = function()
        local scan = store:scan {}
        return function()
          local key, info = scan()
          return key, key and { size = info.size }
        end
      end,
    }
    explore("cp", { store = vague, other = other })
    assert.is_true(other:stat("session:1").ttl > 90)
  end)

  it("copies nothing when dry", function()
    local _, text = explore("cp", { store = store, other = other, prefix = "user:",
      dry = true })
    assert.matches("would copy 2 keys, 13 B$", text)
    assert.is_nil(other:scan()())
  end)

  it("copies more values than one batch of bytes holds", function()
    local megabyte = ("m"):rep(2 ^ 20)
    for i = 1, 20 do store:set("big:" .. i, megabyte .. i) end
    explore("cp", { store = store, other = other, prefix = "big:" })
    local code = explore("diff", { store = store, other = other, prefix = "big:",
      values = true })
    assert.equal(0, code)
  end)

  it("names each kind of difference", function()
    explore("cp", { store = store, other = other })
    other:delete "alone"
    other:set("more", "m")
    other:set("user:1", "longer than one")
    other:set("user:22", "twenty-TWO")
    local code, _, _, lines = explore("diff",
      { store = store, other = other, values = true }, true)
    local found = {}
    for _, object in ipairs(objects(lines)) do found[object.key] = object.difference end
    assert.equal(1, code)
    assert.same({ alone = "first", more = "second", ["user:1"] = "size",
      ["user:22"] = "value" }, found)
  end)

  it("compares sizes alone unless told, and says so", function()
    other:set("user:1", "eno")
    local code, text = explore("diff",
      { store = store, other = other, prefix = "user:1" })
    assert.equal(0, code)
    assert.matches("\nsizes were compared; %-%-values compares bytes$", text)
  end)

  it("counts and shows failures of a copy", function()
    local code, text, remark = explore("cp",
      { store = store, other = failing "busy" })
    assert.equal(3, code)
    assert.matches("copied 0 keys, 0 B, 4 failed$", text)
    assert.matches('"alone": ', remark)
  end)

  it("measures and draws latencies", function()
    local code, text = explore("lat", { store = store, n = 10, every = 0.0001 })
    assert.equal(0, code)
    assert.matches("^memory: p50 .* of 10\n", text)
    assert.matches("#", text)
  end)

  it("shows which stores of a tree hold a key", function()
    local tree = weir.tier { other, store }
    local code, _, _, lines = explore("where", { store = tree, key = "alone" }, true)
    local found = objects(lines)
    assert.equal(0, code)
    assert.same({ nil, 1 }, { found[1].size, found[2].size })
    assert.not_equal(found[1].path, found[2].path)
  end)

  it("shows a store in each of its places, with the key as it gets there", function()
    assert(store:set("eu/k", "in eu"))
    local us, eu = store:prefix "x/", store:prefix "eu/"
    local tree = weir.route { ["us/"] = us, default = eu }
    local code, _, _, lines = explore("where", { store = tree, key = "k" }, true)
    local found = objects(lines)
    assert.equal(0, code)
    assert.same({ "default.prefix.memory", "eu/k", 5 },
      { found[1].path, found[1].key, found[1].size })
    assert.same({ '["us/"].prefix.memory', "x/k", nil },
      { found[2].path, found[2].key, found[2].size })
    assert(store:delete "eu/k")
    local both = weir.route { ["us/"] = store, default = weir.tier { other, store } }
    _, _, _, lines = explore("where", { store = both, key = "alone" }, true)
    assert.same({ nil, 1, 1 },
      { objects(lines)[1].size, objects(lines)[2].size, objects(lines)[3].size })
  end)

  it("draws the tree, explains and traces a way through it", function()
    local tree = weir.tier { other, store }
    local _, text = explore("tree", { store = tree })
    assert.matches("^tier\n  1 = memory\n  2 = memory$", text)
    _, text = explore("explain", { store = tree, op = "get", key = "alone" })
    assert.matches("^tier: ", text)
    local code
    code, text = explore("trace", { store = tree, key = "alone" })
    assert.equal(0, code)
    assert.matches("\n%S*%[1%]%S* +miss", text)
    assert.matches("\n%S*%[2%]%S* +ok", text)
  end)

  it("shows what was counted, by store", function()
    local tree = weir.tier { other, store }
    tree:get "alone"
    local _, text = explore("stats", { store = tree })
    assert.matches("^tier\n  op +keys", text)
    assert.matches("\n  get +1 +1 B", text)
    assert.matches(" capacity %d+ MiB,", text)
  end)

  it("passes errors of the store on", function()
    for _, name in ipairs { "head", "big", "du", "lat" } do
      local fine, err = pcall(explore, name,
        { store = failing "timeout", key = "a" })
      assert.is_false(fine)
      assert.equal("timeout", err.code)
    end
  end)
end)
