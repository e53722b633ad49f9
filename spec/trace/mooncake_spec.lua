local mooncake = require "weir.app.trace.mooncake"
local shell = require "shell"


describe("trace.mooncake", function()
  local folder, path

  before_each(function()
    folder = shell.folder()
    path = folder .. "/trace.jsonl"
  end)

  after_each(function() shell.remove(folder) end)

  local function read(text)
    shell.write(path, text)
    local list = {}
    local requests, n = mooncake(path)
    for ids in requests do list[#list + 1] = table.concat(ids, ",") end
    return list, n
  end

  it("reads the ids of each request, and passes empty lines by", function()
    local list, n = read '{"hash_ids": [1, 2], "timestamp": 3}\n\n{"hash_ids": []}\n'
    assert.same({ "1,2", "" }, list)
    assert.equal(2, n)
  end)

  for text, wrong in pairs {
    ['{"hash_ids": [1,'] = "it is no JSON object",
    ["7"] = "it is no JSON object",
    ["{}"] = "hash_ids is missing, a list of numbers",
    ['{"hash_ids": 1}'] = "hash_ids is missing, a list of numbers",
    ['{"hash_ids": ["a"]}'] = "hash_ids is a list of whole numbers, 0 or more",
    ['{"hash_ids": {"a": 1}}'] = "hash_ids is a list of whole numbers, 0 or more",
    ['{"hash_ids": [1, null]}'] = "hash_ids is a list of whole numbers, 0 or more",
    ['{"hash_ids": [-1]}'] = "hash_ids is a list of whole numbers, 0 or more",
    ['{"hash_ids": [1.5]}'] = "hash_ids is a list of whole numbers, 0 or more",
    ['{"hash_ids": [1e300]}'] = "hash_ids is a list of whole numbers, 0 or more",
  } do
    it("says the line of " .. text, function()
      local good, err = pcall(read, '{"hash_ids": [1]}\n\n' .. text .. "\n")
      assert.is_false(good)
      assert.equal(path .. ":3: not a request: " .. wrong, tostring(err))
    end)
  end

  it("says what cannot be read", function()
    for _, bad in ipairs { folder, folder .. "/none" } do
      local good, err = pcall(mooncake, bad)
      assert.is_false(good)
      assert.matches(bad .. ": ", tostring(err), 1, true)
    end
  end)

  it("makes no traceback of a bad trace", function()
    shell.write(path, '{"hash_ids": [1]}\n{"hash_ids": ["a"]}\n')
    for _, program in ipairs { "kvcache.lua --path " .. folder .. "/kv --trace",
      "policies/around.lua" } do
      local code, _, err = shell.run(("build/weir run examples/%s %s"):format(program,
        path))
      assert.equal(3, code)
      assert.equal(("weir run: %s:2: not a request: hash_ids is a list of whole "
        .. "numbers, 0 or more\n"):format(path), err)
    end
  end)
end)
