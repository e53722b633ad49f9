-- observe/schema.lua: every number that stores and policies count, declared once. From
-- these rows come store:stats(), Prometheus, `weir stats`, .stats and the table in
-- lua/README.md. The numbers of a word stand with the word, as Word.STATS. Those of a
-- connector are declared in C (struct weir_gauge).
--
-- A row: { name, is = kind, help = a sentence, unit = "bytes"|"seconds"|nil, by = a
-- label, from = field }. The kinds are counter, gauge, histogram, state (one word of
-- the list `states`), and for people only, text and table. With `by` the value is a
-- table, one number for each value of that label. `from` is the field of stats() that
-- has the value, "inflight.keys" for a field in a table. By default it is the name.
-- `shared`: the metric is called the same for every word and connector.

local Schema = {}

--- For each op, of policies and stores alike.
Schema.OPS = {
  { "batches", is = "counter", help = "requests, of one or more keys each" },
  { "keys", is = "counter", by = "status", from = "status",
    help = "keys of these requests, by the status of the reply" },
  { "bytes", is = "counter", unit = "bytes",
    help = "bytes of values: read by get, written by set" },
  { "service", is = "histogram", unit = "seconds",
    help = "time of a request; in a store: of a slice in the connector, and where it "
      .. "answers in place, of one call in 16" },
  { "queue", is = "histogram", unit = "seconds",
    help = "time that a slice waited for a worker" },
}

--- Requests in flight: in stores, and in the word limit.
Schema.INFLIGHT = {
  { "inflight_batches", is = "gauge", from = "inflight.batches", shared = true,
    help = "requests queued or running now" },
  { "inflight_keys", is = "gauge", from = "inflight.keys", shared = true,
    help = "keys queued or running now" },
  { "inflight_bytes", is = "gauge", unit = "bytes", from = "inflight.bytes",
    shared = true, help = "bytes of values queued or running now" },
}

--- Of every store that a connector opens.
Schema.STORE = {
  Schema.INFLIGHT[1], Schema.INFLIGHT[2], Schema.INFLIGHT[3],
  { "workers", is = "gauge", shared = true, help = "worker threads" },
  { "sessions", is = "gauge", shared = true, help = "connections open now" },
  { "reconnects", is = "counter", shared = true,
    help = "connections opened after the first one of each worker" },
  { "connect_failures", is = "counter", shared = true,
    help = "connections that could not be opened" },
  { "refused", is = "counter", shared = true,
    help = "batches refused because a queue was full" },
  { "last_error", is = "text", help = "message of the last error" },
  { "last_error_age", is = "gauge", unit = "seconds", shared = true,
    help = "seconds since the last error" },
}


--- Of every store on which the verb fetch was used.
Schema.FETCH = {
  { "fetch_loads", is = "counter", from = "fetch.loads", shared = true,
    help = "calls of loaders by fetch" },
  { "fetch_keys", is = "counter", from = "fetch.keys", shared = true,
    help = "keys that these calls were for" },
  { "fetch_joined", is = "counter", from = "fetch.joined", shared = true,
    help = "keys that waited for another caller's load" },
  { "fetch_absent", is = "counter", from = "fetch.absent", shared = true,
    help = "keys that were known to be absent" },
  { "fetch_stale", is = "counter", from = "fetch.stale", shared = true,
    help = "values served past their time" },
  { "fetch_failed", is = "counter", from = "fetch.failed", shared = true,
    help = "keys that a loader failed to load" },
  { "fetch_late", is = "counter", from = "fetch.late", shared = true,
    help = "loads ended because the loader had not returned in time" },
  { "fetch_superseded", is = "counter", from = "fetch.superseded", shared = true,
    help = "loaded keys not stored because they were written meanwhile" },
  { "fetch_unstored", is = "counter", from = "fetch.unstored", shared = true,
    help = "loaded values that the store did not take" },
  { "fetch_loading", is = "gauge", from = "fetch.loading", shared = true,
    help = "keys being loaded now" },
}


--- The rows of a store or node beside OPS: { row, ... }. facts: its stats.
---@param store weir.Store
---@param facts table
---@return table[]
function Schema.of(store, facts)
  local own = store.STATS or store.stats_rows and store:stats_rows() or {}
  if not facts.fetch then return own end
  local rows = { unpack(own) }
  for _, row in ipairs(Schema.FETCH) do rows[#rows + 1] = row end
  return rows
end


--- The name of a word or a connector in metrics.
---@param store weir.Store
---@return string
function Schema.owner(store)
  return store.word or store.name:match "^[%w_]+" or "store"
end


--- The name of a row's metric: weir_tier_hits_total, weir_sessions, weir_keys_total.
---@param row table
---@param owner string? a word or connector, for rows of its own
---@return string
function Schema.metric(row, owner)
  local parts = { "weir" }
  if owner and not row.shared then parts[#parts + 1] = owner end
  parts[#parts + 1] = row[1]
  if row.unit and not row[1]:find(row.unit .. "$") then parts[#parts + 1] = row.unit end
  if row.is == "counter" then parts[#parts + 1] = "total" end
  return table.concat(parts, "_")
end


--- The value of a row among the stats of a store, or of an op.
---@param row table
---@param facts table
function Schema.value(row, facts)
  local first, second = (row.from or row[1]):match "^([^.]+)%.?(.*)$"
  local value = facts[first]
  if second == "" then return value end
  return type(value) == "table" and value[second] or nil
end


return Schema
