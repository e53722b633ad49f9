-- A cache over a slow database. 1,000 callers want the same key at the same time: the
-- database is asked once. An absent row is remembered. Old values are served while one
-- task loads, and when the database is down. The second part does it with words: the
-- tree ends in a function.
--
--     build/weir run examples/policies/loading.lua
--
--     fetch                                 queries  keys  answer
--     1,000 callers, nothing cached               1     1  version 1
--     1,000 callers, cached                       0     0  version 1
--     a row that is not there                     1     1  nil
--     the same, within neg_ttl                    0     0  nil
--     1,000 callers, past ttl: stale_while        1     1  version 1, stale
--     after that                                  0     0  version 2
--     past ttl, database down                     1     1  version 3, stale
--     no old value, database down                 1     1  nil, fetch: refused
--     1,000 keys, 10 of them cached               1   990  1000 of 1000
--
--     tier { ram:ttl, origin:coalesce }  queries  keys  answer
--     1,000 callers, nothing cached            1     1  version 5
--     past its time, database down             1     1  version 5, stale
--     purged, database up again                1     1  version 6
local Columns = require "weir.app.show.columns"
local weir = require "weir"

local queries, asked, version, down = 0, 0, 0, false

-- The database: a query takes 20 ms, and each finds a newer version.
local function query(keys)
  queries, asked = queries + 1, asked + #keys
  weir.sleep(0.02)
  if down then return nil, "refused" end
  if keys[1] == "nobody" then return {} end
  version = version + 1
  local rows = {}
  for _, key in ipairs(keys) do rows[key] = "version " .. version end
  return rows
end

local function query_one(key)
  local rows, why = query { key }
  return rows and rows[key], why
end


-- Calls fn in n tasks at once. Returns what the last one returned.
local function at_once(n, fn)
  local tasks, value, err, stale = {}, nil, nil, nil
  for i = 1, n do tasks[i] = weir.spawn(fn) end
  for i = 1, n do value, err, stale = select(2, weir.join(tasks[i])) end
  return value, err, stale
end


local rows

local function step(what, fn)
  queries, asked = 0, 0
  local value, err, stale = fn()
  local answer = tostring(value) .. (stale and ", stale" or "")
  if err then answer = answer .. ", " .. tostring(err) end
  rows[#rows + 1] = { what, tostring(queries), tostring(asked), answer }
end


local ram = weir.memory {}
local how = { ttl = 1, neg_ttl = 60, stale_while = 60 }
local careful = { ttl = 0.2, stale_if_error = 60 }

local function fetcher(key, options)
  return function() return ram:fetch(key, query_one, options) end
end

local function fetch_many()
  local keys = {}
  for i = 1, 1000 do keys[i] = "order:" .. i end
  ram:set_many({ unpack(keys, 1, 10) }, { unpack(keys, 1, 10) })
  return ("%d of 1000"):format(ram:fetch_many(keys, query):count "good")
end

rows = { { "fetch", "queries", "keys", "answer" } }
step("1,000 callers, nothing cached", function()
  return at_once(1000, fetcher("a", how))
end)
step("1,000 callers, cached", function() return at_once(1000, fetcher("a", how)) end)
step("a row that is not there", fetcher("nobody", how))
step("the same, within neg_ttl", fetcher("nobody", how))
weir.sleep(1.1)
step("1,000 callers, past ttl: stale_while", function()
  return at_once(1000, fetcher("a", how))
end)
repeat weir.sleep(0.01) until not select(3, ram:peek "a").stale
step("after that", fetcher("a", { ttl = 60 }))
fetcher("b", careful)()
weir.sleep(0.3)
down = true
step("past ttl, database down", fetcher("b", careful))
step("no old value, database down", fetcher("c", careful))
down = false
step("1,000 keys, 10 of them cached", fetch_many)
Columns.print(rows, "lrrl")
print()

local tree = weir.tier {
  ram:ttl(0.2, { stale_if_error = 60 }),
  weir.origin(query):coalesce(),
}

local function get()
  local reply = tree:get_many { "d" }
  return reply:string(1), reply:error(1), reply.stale and reply.stale[1]
end

rows = { { "tier { ram:ttl, origin:coalesce }", "queries", "keys", "answer" } }
step("1,000 callers, nothing cached", function() return at_once(1000, get) end)
weir.sleep(0.3)
down = true
step("past its time, database down", get)
down = false
tree:purge "d"
step("purged, database up again", get)
Columns.print(rows, "lrrl")
tree:close()
