local Error = require "weir.core.error"
local Reply = require "weir.core.reply"
local Result = require "weir.app.show.result"


describe("show.result", function()
  it("lets no control character of an error through", function()
    local reply = Reply.new(1)
    reply:set(1, "timeout", { message = "\27[31m\194\155" })
    assert.equal("  1  timeout     \\027[31m\\194\\155", Result.text(reply))
    local err = Error.new("timeout", "\27[31m")
    assert.equal("{ error: \\027[31m }", Result.text { err })
  end)

  it("writes all digits of whole numbers", function()
    assert.equal("1700000000123456", Result.text(1700000000123456))
    assert.equal("{ 9007199254740991, 0.1 }", Result.text { 2 ^ 53 - 1, 0.1 })
  end)
end)
