local status = require "weir.status"

describe("status", function()
  it("names every status of the header with its facts", function()
    assert.equal("good", status.class.ok)
  end)
end)
