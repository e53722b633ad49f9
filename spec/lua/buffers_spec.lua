-- What may be lent to a verb: strings, and C memory whose size in bytes is known.
local ffi = require "ffi"
local weir = require "weir"


-- The message of an error that must point at this file.
local function refusal(fn, ...)
  local ok, why = pcall(fn, ...)
  assert.is_false(ok)
  return (assert(tostring(why):match "buffers_spec.lua:%d+: (.*)", why))
end


describe("a buffer to read into", function()
  local store

  before_each(function()
    store = weir.memory { capacity = "4MiB" }
    store:set("key", "0123456789")
  end)

  after_each(function() store:close() end)

  for _, ctype in ipairs { "char[?]", "uint8_t[?]", "int8_t[?]" } do
    it("may be " .. ctype, function()
      local buffer = ffi.new(ctype, 16)
      assert.equal(10, store:get_into("key", buffer))
      assert.equal("0123456789", ffi.string(buffer, 10))
    end)
  end

  it("may be an array inside a struct", function()
    local page = ffi.new "struct { int head; uint8_t body[10]; }"
    assert.equal(10, store:get_into("key", page.body))
    assert.equal("0123456789", ffi.string(page.body, 10))
    assert.equal(0, page.head)
  end)

  it("may be a slice of a larger one, and nothing else is written", function()
    local slab = ffi.new "char[32]"
    ffi.fill(slab, 32, ("."):byte())
    assert.equal(10, store:get_into("key", { slab + 8, 12 }))
    assert.equal("........0123456789..............", ffi.string(slab, 32))
  end)

  it("that is too small says what size is needed, and is left alone", function()
    local buffer = ffi.new("char[9]", ".........")
    local size, err = store:get_into("key", buffer)
    assert.is_nil(size)
    assert.equal("toobig", err.code)
    assert.equal(10, err.size)
    assert.equal(".........", ffi.string(buffer, 9))
  end)

  it("of just the size, or of none for an empty value, is enough", function()
    assert.equal(10, store:get_into("key", ffi.new "char[10]"))
    store:set("empty", "")
    assert.equal(0, store:get_into("empty", ffi.new("char[?]", 0)))
  end)

  it("leaves a miss a miss", function()
    local size, err = store:get_into("none", ffi.new "char[4]")
    assert.is_true(size == nil and err == nil)
  end)

  for ctype, name in pairs {
    ["double[4]"] = "double", ["char[4][4]"] = "char", ["int32_t[4]"] = "int",
    ["const char[4]"] = "const char", ["struct { char c[4]; }"] = "struct",
  } do
    it("may not be " .. ctype, function()
      local why = refusal(function() store:get_into("key", ffi.new(ctype)) end)
      assert.matches("a buffer is an array of bytes", why)
      assert.matches(name, why, 1, true)
    end)
  end

  it("may not be a bare pointer: its size is not known", function()
    local pointer = ffi.cast("char *", ffi.new "char[4]")
    assert.matches("not ctype<char %*>", refusal(function()
      store:get_into("key", pointer)
    end))
  end)

  it("may not be a string, a number, nil or a table of something else", function()
    for _, bad in ipairs { "string", 7, false, { 1, 2 }, {} } do
      refusal(function() store:get_into("key", bad) end)
    end
    refusal(function() store:get_into "key" end)
  end)

  it("may not be a slice of ints, of const bytes or of half a byte", function()
    local ints = ffi.new "int[4]"
    local bytes = ffi.new "char[4]"
    for _, bad in ipairs {
      { ints + 0, 4 }, { ffi.cast("const char *", bytes), 4 }, { bytes + 0, 0.5 },
      { bytes + 0, -1 }, { bytes + 0 }, { bytes + 0, "4" },
    } do
      refusal(function() store:get_into("key", bad) end)
    end
  end)

  it("may not be a slice of no memory", function()
    local none = ffi.cast("char *", 0)
    for size = 0, 16, 16 do
      assert.matches("a slice to read into points at no memory", refusal(function()
        store:get_into("key", { none, size })
      end))
    end
  end)

  it("answers every slot of a batch with duplicates", function()
    local one, two = ffi.new "char[10]", ffi.new "char[16]"
    local small, other = ffi.new "char[3]", ffi.new "char[4]"
    local reply = store:get_into_many({ "key", "key", "key", "none" },
      { one, two, small, other })
    assert.same({ "ok", "ok", "toobig", "miss" },
      { reply[1], reply[2], reply[3], reply[4] })
    assert.equal("0123456789", ffi.string(one, 10))
    assert.equal("0123456789", ffi.string(two, 10))
    assert.equal(10, reply:size(3))
  end)
end)


describe("bytes to store", function()
  local store

  before_each(function() store = weir.memory { capacity = "4MiB" } end)
  after_each(function() store:close() end)

  it("may be a string, a Value, an array or a slice", function()
    local array = ffi.new("uint8_t[4]", { 1, 2, 3, 0 })
    assert(store:set("string", "s"))
    assert(store:set("value", store:get "string"))
    assert(store:set("array", array))
    assert(store:set("slice", { ffi.cast("const void *", array + 1), 2 }))
    assert.equal("s", tostring(store:get "value"))
    assert.equal("\1\2\3\0", tostring(store:get "array"))
    assert.equal("\2\3", tostring(store:get "slice"))
  end)

  it("may be a slice of no memory only if that has no bytes", function()
    local none = ffi.cast("const char *", 0)
    assert(store:set("empty", { none, 0 }))
    assert.equal("", store:get_string "empty")
    assert.matches("a slice of 3 bytes points at no memory", refusal(function()
      store:set("key", { none, 3 })
    end))
  end)

  it("are the caller's again as soon as set returns", function()
    local array = ffi.new("char[5]", "first")
    assert(store:set("key", array))
    ffi.copy(array, "other", 5)
    assert.equal("first", tostring(store:get "key"))
  end)

  it("may not be a number, a table, nil or other cdata", function()
    for _, bad in ipairs { 42, {}, true, ffi.new "int[2]", ffi.new "int64_t" } do
      refusal(function() store:set("key", bad) end)
    end
    refusal(function() store:set "key" end)
    refusal(function() store:set_many({ "a", "b" }, { "1", 2 }) end)
  end)
end)
