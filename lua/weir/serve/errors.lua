-- serve/errors.lua: how a status is told to a client of RESP: the one table. Clients
-- act on the first word. Those that retry do so for TRYAGAIN (busy) and CLUSTERDOWN
-- (not connected), since such a command was not applied. What may have been applied
-- begins with a word that no client retries. `ok`, `miss` and `rejected` are no errors:
-- OK or a value, nil, nil. connectors/redis/refusal.c reads the words back, so that a
-- weir over another weir sees the same status.

local status = require "weir.core.status"

local Errors = {}

-- The first word by status, and what it makes clients do.
Errors.codes = {
  skipped = { "TRYAGAIN", "not sent; clients that retry may" },
  busy = { "TRYAGAIN", "a queue is full, not applied; clients that retry may" },
  unavailable = { "CLUSTERDOWN", "the store is not connected; clients that retry may" },
  timeout = { "TIMEOUT", "maybe applied; no client retries by itself" },
  reset = { "RESET", "maybe applied; no client retries by itself" },
  failed = { "ERR", "the store answered an error" },
  nospace = { "OOM", "out of memory or disk, as Redis says it" },
  toobig = { "ERR string exceeds the limit:", "the value is over max_value" },
  denied = { "NOPERM", "the store does not allow it" },
  unsupported = { "UNSUPPORTED", "a store below cannot do this" },
  corrupt = { "CORRUPT", "the copy failed its checksum and was not served" },
  invalid = { "INVALID", "the key or the value cannot be" },
}


--- Hands the table to the listener, which keeps pointers to its strings.
function Errors.register(S, server)
  for name, row in pairs(Errors.codes) do
    S.weir_server_error(server, status.number[name], row[1], status.phrase(name))
  end
end


--- An error of weir as the text of a reply.
---@param err weir.Error|string
function Errors.text(err)
  local row = type(err) == "table" and Errors.codes[err.code]
  return (row and row[1] or "ERR") .. " " .. tostring(err)
end


return Errors
