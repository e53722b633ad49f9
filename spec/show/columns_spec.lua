local Columns = require "weir.app.show.columns"


describe("show.columns", function()
  it("lines words up to the left and numbers to the right", function()
    assert.same({ "name  size", "a        1", "long    22" },
      Columns.lines({ { "name", "size" }, { "a", "1" }, { "long", "22" } }, "lr"))
  end)

  it("counts characters, not bytes, and leaves no blanks at the end", function()
    assert.same({ "é   x", "ab" }, Columns.lines { { "é", "x" }, { "ab" } })
  end)
end)
