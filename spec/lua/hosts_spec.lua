local conformance = require "hosts_conformance"

for _, name in ipairs { "plain", "ev" } do
  conformance(name, function(main)
    return require("weir.host." .. name).new().run(main)
  end)
end
