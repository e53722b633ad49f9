-- The demo, small: cold, then warm; a trace; wrong arguments.
local shell = require "shell"


describe("examples/kvcache.lua", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function demo(arguments)
    return shell.run(("build/weir run examples/kvcache.lua --path %s/chunks %s")
      :format(folder, arguments))
  end

  it("starts cold, verifies every value, and starts warm the second time", function()
    local code, out = demo "--requests 200"
    assert.equal(0, code)
    assert.matches("A cold start", out)
    assert.matches("200 of 200 requests", out)
    assert.matches("every one verified; 0 errors", out)
    code, out = demo "--requests 200"
    assert.equal(0, code)
    assert.matches("A warm start: .- holds %d+ chunks", out)
    assert.matches("computed +0 +0%.0 %%", out)
  end)

  it("replays a trace in Mooncake's format, as make demo TRACE= does", function()
    local trace = folder .. "/a trace.jsonl"
    shell.write(trace, '{"timestamp": 0, "hash_ids": [90001, 90002]}\n'
      .. '{"timestamp": 5, "hash_ids": [90001, 90002, 90003]}\n')
    local line = "make demo TRACE=%s ARGS='--together 1 --path %s/chunks'"
    local code, out, err = shell.run(line:format(shell.quote(trace), folder))
    assert.same({ 0, "" }, { code, err })
    assert.matches("2 of 2 requests", out)
    assert.matches("computed +3 ", out)
  end)

  it("says which line of a trace is wrong", function()
    shell.write(folder .. "/trace.jsonl", '{"hash_ids": [1]}\nnonsense\n')
    local code, _, err = demo("--trace " .. folder .. "/trace.jsonl")
    assert.equal(3, code)
    assert.matches("trace%.jsonl:2: not a request", err)
  end)

  it("ends with an error when a stored chunk is not what the key says", function()
    demo "--requests 20"
    local key = ("llama-70b@tp0@%08x"):format(1)
    shell.run(("build/weir set fs://%s/chunks %s wrong"):format(folder, key))
    local code, _, err = demo "--requests 20"
    assert.equal(3, code)
    assert.matches("is not what was stored", err)
    shell.run(("build/weir rm fs://%s/chunks %s"):format(folder, key))
  end)

  it("ends when it was told to", function()
    local code, out = demo "--requests 1000000 --seconds 1"
    assert.equal(0, code)
    assert.matches("of 1000000 requests", out)
  end)
end)
