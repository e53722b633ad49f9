-- The contract of connectors over lua:, above a tree of memory, of memory over files,
-- and of a real redis-server.
local busted = require "busted"
local contract = require "contract"
local Server = require "redis_server"
local shell = require "shell"
local weir = require "weir"

local describe, setup, teardown = busted.describe, busted.setup, busted.teardown

local folder
local stores = 0


-- Opens a store over a policy file of its own; %d in the text is its number.
local function open(text, options)
  stores = stores + 1
  local path = ("%s/%d.lua"):format(folder, stores)
  shell.write(path, (text:gsub("%%d", tostring(stores))))
  return weir.open("lua:" .. path, options)
end


describe("lua:", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  describe("over memory", function()
    contract {
      atomic = "all",
      open = function(options)
        -- The store that appends must know the limit.
        return open(("return memory { max_value = %q }"):format(options.max_value
          or "512MiB"), options)
      end,
    }
  end)

  describe("over memory and files", function()
    contract {
      atomic = "all",
      open = function(options)
        return open(([[
          return tier { memory {}, fs { path = "%s/files-%%d", max_value = %q } }
        ]]):format(folder, options.max_value or "512MiB"), options)
      end,
    }
  end)

  describe("over Redis", function()
    local server
    setup(function() server = Server.start() end)
    teardown(function() server:close() end)
    contract {
      atomic = "all",
      open = function(options)
        server:command "flushall"
        return open(("return open(%q, { max_value = %q })"):format(server.url,
          options.max_value or "512MiB"), options)
      end,
    }
  end)
end)
