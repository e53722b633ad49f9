local ffi = require "ffi"
local Value = require "weir.core.value"

-- Small values live in their box, large ones in C: both must behave.
for kind, size in pairs { small = 10, ["exactly inline"] = 1024, large = 5000 } do
  describe("a " .. kind .. " value", function()
    local text, value

    before_each(function()
      text = ("0123456789"):rep(size / 10 + 1):sub(1, size)
      value = Value.new(text)
    end)

    it("measures, prints and concatenates like its string", function()
      assert.equal(size, #value)
      assert.equal(text, tostring(value))
      assert.equal(text, value:string())
      assert.equal("<" .. text .. ">", "<" .. value .. ">")
    end)

    it("equals its string and another value with the same bytes", function()
      assert.is_true(value == text and text == value and value == Value.new(text))
      assert.is_false(value == text .. "x")
      assert.is_false(value == Value.new(text:sub(1, -2) .. "x"))
      assert.is_false(value == nil or value == 5 or value == {})
    end)

    it("is ordered like its string, prefixes first", function()
      assert.is_true(value < text .. "x" and "" < value and value <= text)
      assert.is_true(Value.new "a\0b" < "a\0c" and Value.new "\255" > "a")
    end)

    it("gives parts as string.sub does", function()
      local ranges = { { 1, 3 }, { -3 }, { 2, -2 }, { 0, 2 }, { 9, 3 }, { 5, 1e6 } }
      for _, range in ipairs(ranges) do
        assert.equal(text:sub(unpack(range)), value:sub(unpack(range)))
      end
    end)

    it("has the methods of strings", function()
      assert.equal("123", value:match "12%d")
      assert.same({ text:find("34", 1, true) }, { value:find("34", 1, true) })
      assert.equal(text:gsub("%d", "x"), (value:gsub("%d", "x")))
      assert.same({ text:byte(1, -1) }, { value:byte(1, -1) })
      assert.equal(#text, value:len())
      assert.equal(text:rep(2), value:rep(2))
      assert.equal(text:reverse():upper():lower(), value:reverse():upper():lower())
      local digits = {}
      for digit in value:gmatch "%d" do digits[#digits + 1] = digit end
      assert.equal(text, table.concat(digits))
      assert.equal(text, ("%s"):format(value))
    end)

    it("is empty after close, and a second close is harmless", function()
      value:close()
      value:close()
      assert.equal("", value:string())
      assert.equal(0, #value)
    end)

    it("survives the value it was made of", function()
      local copy = Value.new(value)
      value:close()
      assert.equal(text, copy:string())
    end)
  end)
end


describe("values", function()
  it("hold any bytes, none of them, too", function()
    local all = {}
    for byte = 0, 255 do all[#all + 1] = string.char(byte) end
    assert.equal(table.concat(all), Value.new(table.concat(all)):string())
    assert.equal("", Value.new(""):string())
  end)

  it("refuse what has no bytes, at the caller", function()
    local ok, why = pcall(function() Value.new(42) end)
    assert.is_false(ok)
    assert.matches("value_spec.lua:%d+: a value is a string or a Value", why)
  end)

  it("refuse to be ordered with a number", function()
    local ok, why = pcall(function() return Value.new "a" < 5 end)
    assert.is_false(ok)
    assert.matches("compare a Value with number", why)
  end)

  it("calculate and concatenate as strings that are numbers do", function()
    local five = Value.new "5"
    assert.same({ 7, 3, 10, 2.5, 1, 25, -5 },
      { five + 2, 8 - five, five * "2", five / 2, 11 % five, five ^ 2, -five })
    assert.equal("5x5" .. 5, five .. "x" .. five .. 5)
  end)

  it("refuse to calculate and to concatenate at the caller where strings do", function()
    for message, fn in pairs {
      ["arithmetic on a Value that is no number"] = function()
        return Value.new "x" + 1
      end,
      ["arithmetic on nil"] = function() return Value.new "1" + nil end,
      ["concatenate a Value with nil"] = function() return Value.new "x" .. nil end,
      ["concatenate a Value with table"] = function() return {} .. Value.new "x" end,
    } do
      local ok, why = pcall(fn)
      assert.is_false(ok)
      assert.matches("value_spec.lua:%d+: attempt to .*" .. message, why)
    end
  end)

  it("are told from other cdata", function()
    assert.is_true(Value.is(Value.new "a"))
    assert.is_false(Value.is(ffi.new "char[4]"))
    assert.is_false(Value.is "a")
  end)

  it("make the collector see what they hold in C", function()
    collectgarbage()
    local dropped = 0
    for _ = 1, 64 do
      local guard = ffi.gc(ffi.new "char[1]", function() dropped = dropped + 1 end)
      Value.new(("x"):rep(1024 * 1024) .. tostring(guard):sub(1, 0))
    end
    assert.is_true(dropped > 0)
  end)
end)


describe("a value that is built", function()
  it("has the bytes that were put there, and may be built while waiting", function()
    local weir = require "weir"
    weir.run(function()
      local one = Value.build(3, function(data)
        ffi.copy(data, "ab", 2)
        local other = Value.build(1, function(inner) inner[0] = 0x78 end)
        weir.sleep(0.001)
        data[2] = other.data[0]
      end)
      assert.equal("abx", tostring(one))
    end)
  end)

  -- So large a value is charged at once, and the collector runs.
  it("has its own bytes if a finalizer builds another one meanwhile", function()
    local ran, size = 0, 32 * 2 ^ 20
    local function litter()
      ffi.gc(ffi.new "char[1]", function()
        ran = ran + 1
        Value.build(1, function(data) data[0] = 0x79 end)
      end)
    end
    for _ = 1, 8 do
      litter()
      local value = Value.build(size, function(data) data[0] = 0x78 end)
      assert.equal("x", value:sub(1, 1))
      value:close()
    end
    assert.is_true(ran > 0)
  end)

  it("is let go when its making fails", function()
    assert.has_error(function()
      Value.build(10, function() error("lost", 0) end)
    end, "lost")
  end)

  it("says what size and bytes are", function()
    for _, size in ipairs { -1, 1.5, "3" } do
      assert.error_matches(function() Value.build(size, function() end) end,
        "the size of a value is a whole number of bytes, not " .. size, 1, true)
    end
    assert.error_matches(function() Value.build(3) end,
      "the bytes of a value come from a function, not nil")
  end)
end)
