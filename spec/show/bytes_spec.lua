local Bytes = require "weir.app.show.bytes"


describe("show.bytes", function()
  it("knows UTF-8 from other bytes", function()
    for _, text in ipairs { "", "a", "é", "€", "😀", "\0\127" } do
      assert.is_true(Bytes.is_text(text))
    end
    local others = {
      "\128", "\192\128", "\193\191", "\224\128\128", "\237\160\128",
      "\240\128\128\128",
      "\244\144\128\128", "\245\128\128\128", "\195", "a\226\130", "\255",
    }
    for _, bytes in ipairs(others) do
      assert.is_false(Bytes.is_text(bytes))
    end
  end)

  it("escapes to one line that Lua reads back, whatever the bytes", function()
    math.randomseed(1)
    for _ = 1, 200 do
      local bytes = {}
      for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
      bytes = table.concat(bytes)
      local line = Bytes.escape(bytes)
      assert.is_nil(line:find "[%c]")
      assert.equal(bytes, loadstring('return "' .. line:gsub('"', '\\"') .. '"')())
    end
  end)

  it("escapes controls of two bytes, too", function()
    assert.equal("é\\194\\155x", Bytes.escape "é\194\155x")
  end)

  it("leaves readable text as it is", function()
    assert.equal("user/é", Bytes.escape "user/é")
  end)

  it("puts text as it is and other bytes as digits", function()
    assert.same({ value = "é" }, Bytes.put({}, "value", "é"))
    assert.same({ value_hex = "00ff" }, Bytes.put({}, "value", "\0\255"))
  end)
end)
