-- The parts of the session that need no terminal.
local Keys = require "weir.app.repl.keystrokes"
local Literal = require "weir.app.show.literal"
local Tokens = require "weir.app.repl.line.tokens"
local Wide = require "weir.app.repl.wide"
local Asked = require "weir.app.repl.asked"


-- What was typed, byte by byte, as one list of units.
local function drip(bytes)
  local all, rest = {}, ""
  for i = 1, #bytes do
    local units
    units, rest = Keys.decode(rest .. bytes:sub(i, i))
    for _, unit in ipairs(units) do all[#all + 1] = unit.kind .. ":" .. unit.text end
  end
  return all, rest
end


describe("what is typed", function()
  it("comes as whole characters and keys, however it is cut", function()
    local units, rest = drip "ä日𝄞\27[A\27[1;5C\27fx\r"
    assert.same({ "text:ä", "text:日", "text:𝄞", "key:\27[A", "key:\27[1;5C", "key:\27f",
      "text:x", "key:\r" }, units)
    assert.equal("", rest)
  end)

  it("waits for the rest of a key", function()
    for _, bytes in ipairs { "\27", "\27[", "\27[1;", "\27O", "\195", "\27[200~abc" } do
      local units, rest = Keys.decode(bytes)
      assert.same({ {}, bytes }, { units, rest })
    end
  end)

  it("drops keys that mean nothing", function()
    assert.same({ "text:x" }, (drip "\27[15~\27[?1;2cx"))
  end)

  it("drops Alt with a character of more than one byte as a whole", function()
    assert.same({ "text:x" }, (drip "\27äx"))
    assert.same({ "text:x" }, (drip "\27日\27O𝄞x"))
  end)

  it("takes Alt with a key that has a sequence for that key", function()
    assert.same({ "key:\27[A", "text:x" }, (drip "\27\27[Ax"))
  end)

  it("passes a paste on as one piece, tabs and lines in it", function()
    assert.same({ "text:a", "paste:\tb\nc", "text:d" },
      (drip "a\27[200~\tb\nc\27[201~d"))
  end)

  it("is not held up by bytes that are no UTF-8", function()
    local units, rest = Keys.decode "a\255b\200c"
    assert.same({ { { kind = "text", text = "a\255b\200c" } }, "" }, { units, rest })
  end)
end)


describe("wide characters", function()
  it("are UTF-8 and back", function()
    local text = "aä日𝄞\1"
    assert.equal(text, Wide.text(Wide.new(text)))
  end)

  it("stand in for what is no UTF-8", function()
    for _, bytes in ipairs { "\255", "\192\128", "\237\160\128", "\244\144\128\128",
      "\226\130" } do
      assert.equal("\239\191\189x", Wide.text(Wide.new(bytes .. "x")))
    end
  end)
end)


describe("columns", function()
  it("are those of the characters, not of their bytes", function()
    require("weir.app.terminal").use_utf8()
    assert.equal(7, Wide.width "größe> ")
    assert.equal(7, Wide.width "日本x\1")
    assert.equal(1, Wide.width "e\204\129")
  end)
end)


describe("words of a command", function()
  it("are split at blanks, quoted ones read as Lua reads them", function()
    local words = Tokens.split [[ a  "b \"c\" \0011" 'd e' f"g]]
    assert.same({
      { text = "a" }, { text = 'b "c" \0011', quoted = true },
      { text = "d e", quoted = true }, { text = 'f"g' },
    }, words)
  end)

  it("may be open at the end", function()
    assert.same({ { text = "b c", quoted = true, open = true, quote = '"' } },
      Tokens.split '"b c')
  end)
end)


describe("a literal", function()
  it("reads back as any bytes", function()
    math.randomseed(7)
    for _ = 1, 300 do
      local bytes = {}
      for i = 1, math.random(0, 40) do
        bytes[i] = string.char(math.random(0, 1) == 0 and math.random(0, 255)
          or math.random(0x20, 0x7e))
      end
      local text = Literal.quote(table.concat(bytes))
      assert.equal(table.concat(bytes), loadstring("return " .. text)())
      assert.is_nil(text:find "[%c]")
    end
  end)

  it("keeps text readable, but no control characters in it", function()
    assert.equal('"größe\\n日本"', Literal.quote "größe\n日本")
    assert.equal('"\\194\\155x"', Literal.quote "\194\155x")
  end)

  it("previews the head of what is long, at whole characters", function()
    local text, whole = Literal.preview(("ä"):rep(100), 11)
    assert.same({ '"äääää"', false }, { text, whole })
    text = Literal.preview(("\1"):rep(1000), 20)
    assert.is_true(#text <= 24)
  end)
end)


describe("counts of what was asked for", function()
  it("stay bounded, and keep what is asked for often", function()
    local asked = Asked.new()
    for i = 1, 20000 do
      asked:count("s", "cold" .. i)
      if i % 3 == 0 then asked:count("s", "hot") end
    end
    assert.equal("hot", asked:most(1)[1].key)
    assert.is_true(asked.n <= 4096)
  end)
end)
