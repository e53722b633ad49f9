-- examples/nginx: operations on many keys, POST /kv/_batch.
local cjson = require "cjson"
local Gateway = require "host.gateway"
local Nginx = require "weir.app.bench.nginx"
local shell = require "shell"

local gateway, folder


local function get(path, options)
  return gateway:get(path, options)
end


local function batch(body)
  local status, text = get("/kv/_batch", "-d " .. shell.quote(body))
  return status, cjson.decode(text).slots
end


describe("a batch to the gateway #unsanitized", function()
  setup(function()
    gateway = Gateway.start()
    gateway:with_workers(1) -- whose numbers are those of all
    folder = gateway.folder
  end)

  teardown(function() gateway:stop() end)

  it("takes any text as a key in a batch", function()
    local keys = [=["keys":["_batch","../x","a\u0000b"]]=]
    batch('{"op":"set","values":["1","2","3"],' .. keys .. "}")
    local _, slots = batch('{"op":"get",' .. keys .. "}")
    for i = 1, 3 do assert.equal(tostring(i), slots[i].value) end
  end)

  it("bounds a batch: its body, its keys, its answer", function()
    local body = folder .. "/request"
    shell.write(body, '{"op":"get","keys":["' .. ("x"):rep(2 ^ 20) .. '"]}')
    local status, text = get("/kv/_batch", "-d @" .. body)
    assert.same({ 413, "toobig" }, { status, cjson.decode(text).error })
    shell.write(body, '{"op":"get","keys":["a"' .. (',"a"'):rep(1024) .. "]}")
    status, text = get("/kv/_batch", "-d @" .. body)
    assert.same({ 413, "toobig" }, { status, cjson.decode(text).error })
    shell.write(body, ("x"):rep(2 ^ 20))
    get("/kv/mib", "-T " .. body)
    shell.write(body, '{"op":"get","keys":["mib"' .. (',"mib"'):rep(16) .. "]}")
    status, text = get("/kv/_batch", "-d @" .. body)
    assert.same({ 413, "toobig" }, { status, cjson.decode(text).error })
  end)

  it("answers an empty batch with an empty list, and a null as left out", function()
    assert.same({ 200, '{"slots":[]}\n' }, {
      get("/kv/_batch", [=[-d '{"op":"get","keys":[]}']=]),
    })
    local _, slots = batch [[
      {"op":"set","keys":["n"],"values":["AP8="],"base64":null,"ttl":null}]]
    assert.equal("ok", slots[1].status)
    assert.same({ 200, "AP8=" }, { get "/kv/n" })
  end)

  it("carries keys and values that are no text through a batch, in base64", function()
    batch [[{"op":"set","keys":["/2tleQ=="],"values":["AP8="],"base64":true}]]
    assert.same({ 200, "\0\255" }, { get "/kv/%FFkey" })
    local _, slots = batch [[{"op":"get","keys":["/2tleQ=="],"base64":true}]]
    assert.same({ { key = "/2tleQ==", status = "ok", value = "AP8=" } }, slots)
  end)

  it("answers in JSON, whatever bytes there are", function()
    shell.write(folder .. "/bytes", "\255")
    get("/kv/bin", "-T " .. folder .. "/bytes")
    local _, slots = batch [[{"op":"get","keys":["bin"]}]]
    assert.same({ { key = "bin", status = "ok", value_base64 = "/w==" } }, slots)
    shell.write(folder .. "/bytes", '{"op":"get","keys":["\255"]}')
    local status, text = get("/kv/_batch", "-d @" .. folder .. "/bytes")
    assert.equal(400, status)
    assert.matches("not UTF%-8: .* base64", cjson.decode(text).message)
  end)

  it("asks for the sizes of a batch before it reads the values", function()
    local big, keys = folder .. "/big", {}
    shell.run(("head -c %d /dev/zero > %s"):format(3 * 2 ^ 20, big))
    for i = 1, 6 do
      keys[i] = ('"big%d"'):format(i)
      assert.equal(204, (get("/kv/big" .. i, "-T " .. big)))
    end
    local function keys_read()
      local _, text = get "/metrics"
      return tonumber(text:match('weir_keys_total{node="coalesce",'
        .. 'worker="0",op="get",status="ok"} (%d+)'))
    end
    local before = keys_read()
    assert.is_number(before)
    local ask = ('{"op":"get","keys":[%s]}'):format(table.concat(keys, ","))
    local status, text = get("/kv/_batch", "-d " .. shell.quote(ask))
    assert.same({ 413, "toobig" }, { status, cjson.decode(text).error })
    assert.equal(before, keys_read())
    ask = ('{"op":"get","keys":[%s]}'):format(table.concat(keys, ",", 1, 5))
    status, text = get("/kv/_batch", "-d " .. shell.quote(ask))
    local slots = cjson.decode(text).slots
    assert.same({ 200, 5, 3 * 2 ^ 20 }, { status, #slots, #slots[5].value })
  end)

  it("is refused with what is wrong with it", function()
    for body, message in pairs {
      [ [=[{"op":"get","keys":["a",5]}]=] ] = "key 2 is a number: a key is a string",
      [ [=[{"op":"get","keys":[null]}]=] ] = "key 1 is null: a key is a string",
      [ [=[{"op":"get","keys":{"a":1}}]=] ] = "keys is a list of strings",
      [ [=[{"op":"get"}]=] ] = "keys is a list of strings",
      [ [=[{"op":"set","keys":["a","b"],"values":["1",null]}]=] ] =
        "value 2 is null: a value is a string",
      [ [=[{"op":"set","keys":["a","b"],"values":["1"]}]=] ] = "2 keys but 1 values",
      [ [=[{"op":"set","keys":["a"],"values":["?"],"base64":true}]=] ] =
        "key 1 is not base64",
      [ [=[{"op":"set","keys":["a"],"values":["1"],"ttl":"x"}]=] ] =
        "ttl must be a ",
      [ [=[{"op":"gte","keys":["a"]}]=] ] =
        'op is one of get, set, exists, delete, not gte; did you mean "get"?',
      [ [=[{"op":"get","keyz":["a"]}]=] ] = 'no keyz; did you mean "keys"?',
      [ [=[{"op":"get","keys":["a"],"base64":"x"}]=] ] = "base64 is true or false",
      ["["] = "the body is not a JSON object",
    } do
      local status, text = get("/kv/_batch", "-d " .. shell.quote(body))
      assert.equal(400, status)
      assert.is_not_nil(cjson.decode(text).message:find(message, 1, true), text)
      assert.is_nil(text:find ".lua")
    end
  end)

  it("releases a batch that is too large, where no size is told before", function()
    shell.write(folder .. "/kv.lua", [[
      local disk = fs { path = os.getenv "WEIR_VALUES" }
      return byop { get = disk, set = disk }]])
    gateway:signal "HUP"
    assert.is_true(Nginx.eventually(function()
      local _, text = get "/explain/a"
      return gateway:workers() == 1 and text:find "byop"
    end))
    local big, keys = folder .. "/big", {}
    shell.run(("head -c %d /dev/zero > %s"):format(16 * 2 ^ 20, big))
    for i = 1, 8 do
      keys[i] = ('"huge%d"'):format(i)
      assert.equal(204, (get("/kv/huge" .. i, "-T " .. big)))
    end
    local _, pid = gateway:workers()
    local function resident()
      local _, text = shell.run("cat /proc/" .. pid:match "%d+" .. "/status")
      return tonumber(text:match "VmRSS:%s*(%d+)") / 1024
    end
    local before = resident()
    local ask = ('{"op":"get","keys":[%s]}'):format(table.concat(keys, ","))
    assert.equal(413, (get("/kv/_batch", "-d " .. shell.quote(ask))))
    assert.is_true(resident() - before < 64, resident() .. " MiB, before " .. before)
  end)
end)
