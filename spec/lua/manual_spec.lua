-- What .help and `weir words` say of the verbs is a table of its own: it names the
-- verbs that stores have, and the options that they take.
local Many = require "weir.core.many"
local Store = require "weir.core.store"
local Verbs = require "weir.app.help.verbs"
local weir = require "weir"

-- Functions of Store that are no verbs.
local OTHERS = { new = true, is = true, run = true, begin_close = true, reload = true,
  can_tell = true, listen = true, tell = true, fast_path = true }


describe("the help on verbs", function()
  it("is about every verb, and about nothing else", function()
    local has, said = {}, {}
    for _, name in ipairs(Verbs.names()) do said[name] = true end
    for name, value in pairs(Store) do
      local word = package.searchpath("weir.policy." .. name, package.path)
      if type(value) == "function" and not name:find "^__" and not word
        and not OTHERS[name] then has[name] = true end
    end
    for name in pairs(Many) do has[name] = true end
    assert.same(has, said)
  end)

  it("lists options that the verb takes", function()
    weir.run(function()
      local store = weir.memory {}
      local values = { timeout = 1, deadline = weir.now() + 9, ttl = 9, prefix = true }
      local arguments = { set = { "k", "v" }, touch = { "k", 1 } }
      for _, verb in ipairs { "get", "set", "exists", "delete", "stat", "touch" } do
        for _, option in ipairs(Verbs.about(verb).options) do
          local given = { unpack(arguments[verb] or { "k" }) }
          given[#given + 1] = { [option.name] = assert(values[option.name]) }
          store[verb](store, unpack(given))
        end
      end
      assert.has_error(function() store:delete("k", { prefix = true }) end)
      store:close()
    end)
  end)
end)
