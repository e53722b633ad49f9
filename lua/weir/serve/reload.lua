-- serve/reload.lua: reads the policy files and certificates of a server again, under
-- load. Which stores the listener submits to by itself is decided here, too.

local ffi = require "ffi"
local Cursors = require "weir.core.cursors"
local S = require("weir.ffi").serve()

local Reload = {}

local failure = ffi.new "struct weir_error"


--- Reads the certificates, if there are any; nil and what is wrong.
function Reload.secure(self)
  local o = self.options
  if not o.tls_cert then
    local option = o.tls_ca and "--tls-ca" or o.tls_key and "--tls-key"
    if not option then return true end
    return nil, option .. " needs --tls-cert: without it no address speaks TLS"
  end
  local rc = S.weir_server_secure(self.handle, o.tls_cert, o.tls_key or o.tls_cert,
    o.tls_ca, failure)
  if rc < 0 then return nil, ffi.string(failure.message) end
  return true
end


--- Lets the listener submit to C stores itself: a policy file may have another root
--- now.
function Reload.bind(self)
  for i = 1, #self.stores do
    local handle = self:root(i - 1).handle
    S.weir_server_bind(self.handle, i - 1, handle or nil)
  end
end


-- Takes that back, so that each batch goes to the tree that serves when it comes: a
-- store may close while a reload or an undo waits.
local function unbind(self)
  for i = 1, #self.stores do S.weir_server_bind(self.handle, i - 1, nil) end
end


-- Reads the policy files again; on a failure none has changed.
local function reload_stores(self)
  local done = {}
  for i, store in ipairs(self.stores) do
    if store.reload then
      local good, err = store:reload()
      if not good then
        for _, other in ipairs(done) do other:undo() end
        return nil, ("database %d: %s"):format(i - 1, err)
      end
      done[#done + 1] = store
    end
  end
  return #done
end


--- Reads the policy files of all databases and the certificates again. true; nil and
--- what is wrong with one: then none has changed.
---@return boolean? reloaded, string? err
function Reload.reload(self)
  unbind(self)
  local n, err = reload_stores(self)
  Reload.bind(self)
  if not n then return nil, err end
  local secured, why = Reload.secure(self)
  if not secured then return nil, why end
  if n == 0 and not self.options.tls_cert then
    return nil, "no database is a policy file"
  end
  self.reloads = self.reloads + 1
  self.cursors = Cursors.new(self.cursors.last)
  return true
end


--- Goes back to the trees before the last reload.
---@return boolean? undone, string? err
function Reload.undo(self)
  local undone, why = nil, "no database is a policy file"
  unbind(self)
  for _, store in ipairs(self.stores) do
    if store.undo then
      local good, err = store:undo()
      undone, why = undone or good, err
    end
  end
  Reload.bind(self)
  if not undone then return nil, why end
  return true
end


return Reload
