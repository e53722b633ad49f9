-- serve/keys.lua: commands over many keys: SCAN, KEYS, RANDOMKEY, DBSIZE; and PERSIST.
--
-- The cursor of a C store is a number, and is SCAN's, so that it outlives the server.
-- Cursors of policies are kept under numbers (core/cursors.lua). A scan whose cursor
-- was forgotten ends with an error.

local ffi = require "ffi"
local Errors = require "weir.serve.errors"
local Page = require "weir.policy.shared.scan_page"
local Paths = require "weir.observe.paths"
local Request = require "weir.core.request"
local glob = require "weir.serve.glob"

local Keys = {}

local KEYS_MAX = 100000 -- answered by KEYS
local PAGE = 10 -- COUNT when none is said, as Redis has it


-- ---- cursors ----

-- The cursor of SCAN as text.
local function name_cursor(server, cursor)
  local number = ffi.cast("uint64_t", server.cursors:number(cursor))
  return (tostring(number):gsub("ULL$", ""))
end


-- Reads a number of 64 bits; nil: it is none.
local function read_number(text)
  if not text:match "^%d+$" or #text > 20 then return nil end
  local n = 0ULL
  for digit in text:gmatch "%d" do n = n * 10 + tonumber(digit) end
  return n
end


-- What a cursor of SCAN stands for; nil and an error. Words over a single store pass
-- its numbers on.
local function find_cursor(server, store, text)
  local n = read_number(text)
  if not n then return nil, "ERR invalid cursor" end
  if n == 0 then return false end
  if store.handle then return n end
  local cursor = server.cursors:find(n)
  if not cursor then return nil, "ERR this cursor is forgotten: begin again with 0" end
  return cursor
end


-- ---- pages ----

-- The bytes that every match of a pattern begins with.
local function prefix_of(pattern)
  return pattern and pattern:match "^[^*?%[\\]*" or ""
end


-- Reads a page; nil and an error.
local function read_page(store, prefix, cursor, count)
  local req = Request.one("scan", prefix, nil, 1)
  req.page, req.cursors = count, { cursor or nil }
  local good, reply = pcall(store.run, store, req)
  -- A number that a client made up is no cursor of a policy.
  if not good and cursor then return nil, "ERR invalid cursor" end
  if not good then error(reply, 0) end
  if reply[1] ~= "ok" then return nil, Errors.text(reply:error(1)) end
  local page = reply:value(1)
  local keys = page and Page.keys(page) or {}
  return keys, nil, reply.cursors and reply.cursors[1]
end


local function matching(keys, pattern)
  if not pattern or pattern == "*" then return keys end
  local list = {}
  for _, key in ipairs(keys) do
    if glob(pattern, key) then list[#list + 1] = key end
  end
  return list
end


local function scan_options(args)
  local said = { count = PAGE }
  for i = 3, #args, 2 do
    local name, value = args[i]:lower(), args[i + 1]
    if value == nil then return nil, "ERR syntax error" end
    if name == "match" or name == "type" then
      said[name] = value
    elseif name == "count" then
      said.count = value:match "^%d+$" and tonumber(value)
      if not said.count then
        return nil, "ERR value is not an integer or out of range"
      end
      if said.count < 1 then return nil, "ERR syntax error" end
    else
      return nil, "ERR syntax error"
    end
  end
  return said
end


function Keys.scan(call)
  local out, store = call.out, call.server:root(call.db)
  local said, err = scan_options(call.args)
  if not said then return out:error(err) end
  local cursor, why = find_cursor(call.server, store, call.args[2])
  if cursor == nil then return out:error(why) end
  local keys, failed, following =
    read_page(store, prefix_of(said.match), cursor, said.count)
  if not keys then return out:error(failed) end
  if said.type and said.type:lower() ~= "string" then keys = {} end
  out:array(2)
  out:bulk(name_cursor(call.server, following))
  out:list(matching(keys, said.match))
end


function Keys.keys(call)
  local pattern, store = call.args[2], call.server:root(call.db)
  local found, n, cursor = {}, 0, nil
  repeat
    local keys, err, following = read_page(store, prefix_of(pattern), cursor, 1000)
    if not keys then return call.out:error(err) end
    for _, key in ipairs(matching(keys, pattern)) do
      -- A key may come twice in a scan.
      if not found[key] then
        n = n + 1
        found[key], found[n] = true, key
      end
    end
    if n > KEYS_MAX then
      return call.out:error(("ERR more than %d keys match: use SCAN"):format(KEYS_MAX))
    end
    cursor = following
  until cursor == nil
  local list = {}
  for i = 1, n do list[i] = found[i] end
  call.out:list(list)
end


function Keys.randomkey(call)
  local keys, err = read_page(call.server:root(call.db), "", nil, 100)
  if not keys then return call.out:error(err) end
  if #keys == 0 then return call.out:null() end
  call.out:bulk(keys[math.random(#keys)])
end


--- How many keys a store has, where a single C store below says so; else nil.
function Keys.count(store)
  local found, n
  for _, place in ipairs(Paths.of(store).list) do
    local leaf = place.store
    if leaf.handle and not place.again then
      if found then return nil end
      found = true
      n = leaf:stats().gauges.items
    end
  end
  return n
end


function Keys.dbsize(call)
  local n = Keys.count(call.server:root(call.db))
  if n then return call.out:integer(n) end
  call.out:error "ERR the stores of this database do not know how many keys they have"
end


function Keys.persist(call)
  local store, key = call.server:root(call.db), call.args[2]
  local facts, err = store:stat(key)
  if err then return call.out:error(Errors.text(err)) end
  if not facts or not facts.ttl then return call.out:integer(0) end
  local touched, why = store:touch(key)
  if why then return call.out:error(Errors.text(why)) end
  call.out:integer(touched and 1 or 0)
end


return Keys
