-- weir bench redis [URL] [targets|grid|workload|verbs] [PART OF A CASE'S NAME]
--
-- Runs the C program (examples/bench/redis.c) on a server of its own, counts its
-- system calls, and measures the time that Lua verbs add. Without a word: the targets.
local Server = require "weir.app.bench.redis_server"
local weir = require "weir"
local Exit = require "weir.app.exit"
local Ffi = require "weir.ffi"
local median = require "weir.app.bench.median"
local output = require "weir.app.bench.output"
local Now, suggest = Ffi.C.weir_now, Ffi.suggest

local WHAT = { "targets", "grid", "workload", "verbs" }
local HAS = { targets = true, grid = true, workload = true, verbs = true }

local VERB_ROUNDS = 10
local SECONDS = 0.25
local KEYS = 4096


local HERE = { [""] = true, ["127.0.0.1"] = true, localhost = true, ["::1"] = true }


-- Host and port of a URL.
local function place(url)
  local authority = url:match "^redis://([^/?]*)":gsub("^.*@", "")
  local host, port = authority:match "^%[(.-)%]:?(%d*)$"
  if not host then
    host, port = authority:match "^([^:]*):?(%d*)$"
  end
  return host or authority, tonumber(port) or 6379
end


-- The server at a URL, as Server.start returns it, with nothing to stop. Its keys
-- are overwritten and deleted, and its process is looked at: it must be a local one.
local function running(url)
  local host, port = place(url)
  if not HERE[host] then
    Exit.fail(Exit.USAGE, "redis: expected a server of this machine, got %s", host)
  end
  local info = output(("redis-cli -p %d info server 2>/dev/null"):format(port))
  local pid = info:match "process_id:(%d+)"
  if not pid then
    Exit.fail(Exit.ERROR, "redis: no server of this machine answers at port %d", port)
  end
  local socket = output(("redis-cli -p %d config get unixsocket"):format(port))
    :match "\n(.-)%s*$" or ""
  if socket == "" then
    io.stderr:write "The server has no unix socket: such rows are left out.\n"
  end
  return { url = url, port = port, pid = tonumber(pid),
           socket = socket, stop = function() end }
end


-- Batches of n keys that the C program has stored.
local function batches_of(n)
  local batches = {}
  for i = 0, KEYS / n - 1 do
    batches[i + 1] = {}
    for k = 1, n do
      batches[i + 1][k] = ("key:%012d"):format(i * n + k - 1)
    end
  end
  return batches
end


-- Keys a second, one batch on its way at a time.
local function rate(batches, verb)
  local start, keys, i = Now(), 0, 0
  repeat
    i = i % #batches + 1
    if not verb(batches[i]):all "good" then error("bench redis: a batch failed", 0) end
    keys = keys + #batches[i]
  until tonumber(Now() - start) > SECONDS * 1e9
  return keys * 1e9 / tonumber(Now() - start)
end


local function get_rate(store, batches)
  return rate(batches, function(keys) return store:get_many(keys) end)
end


local function c_rate(Bench, words, what, n)
  local figure
  words[4], words[5] = what, n and tostring(n)
  Bench.measure("redis", words, function(row) figure = row.figure end)
  return figure
end


-- Sets of one long string, beside the same from C, which lends the bytes as well.
local function long_sets(bench, Bench, store, words)
  local batches, values = batches_of(1), { ("v"):rep(2 ^ 20) }
  local in_c, in_lua = {}, {}
  for i = 65, #batches do batches[i] = nil end
  for i = 1, VERB_ROUNDS do
    in_c[i] = c_rate(Bench, words, "set")
    for _ = 1, 2 do -- the first one does not count, as in C
      in_lua[i] = rate(batches, function(keys) return store:set_many(keys, values) end)
    end
  end
  bench:row { case = "Lua: 1 MiB, one a call, set, 1 in flight",
    figure = median(in_lua), unit = "keys/s", reference = "the C call",
    of = median(in_c), target = ">= 0.85x" }
end


-- The verbs, bare and through two policies, beside the same batches from C.
local function verbs(bench, Bench, server, words)
  local bare = weir.open(server.url)
  local guarded = bare:timeout(5):retry { 3 }
  for _, n in ipairs { 16, 256 } do
    local batches, in_c, in_lua, through = batches_of(n), {}, {}, {}
    for i = 1, VERB_ROUNDS do
      in_c[i] = c_rate(Bench, words, "batch", n)
      -- By turns: the scheduler favours the one that goes first, as it has just slept.
      if i % 2 == 0 then through[i] = get_rate(guarded, batches) end
      in_lua[i] = get_rate(bare, batches)
      if i % 2 == 1 then through[i] = get_rate(guarded, batches) end
    end
    local of = median(in_c)
    bench:row { case = ("Lua: 64 B, batch %d, get, 1 in flight"):format(n),
      figure = median(in_lua), unit = "keys/s", reference = "the C call", of = of,
      target = ">= 0.85x" }
    bench:row { case = ("Lua: the same through retry(timeout(redis))"):format(n),
      figure = median(through), unit = "keys/s", reference = "the C call", of = of,
      target = ">= 0.85x" }
  end
  long_sets(bench, Bench, bare, words)
  bare:close()
end


-- System calls of the whole process for a key, counted by strace.
local function system_calls(bench, Bench, words)
  if os.execute "command -v strace >/dev/null 2>&1" ~= 0 then
    io.stderr:write("bench redis: system calls are not counted: no strace here\n")
    return
  end
  local counts, keys = os.tmpname(), nil
  words[4], words[5] = "calls", nil
  Bench.measure("redis", words, function(row) keys = row.figure end,
    "strace -f -c -o " .. counts)
  local calls
  for line in io.lines(counts) do
    calls = tonumber(line:match "%s(%d+)%s+%d*%s*total$") or calls
  end
  os.remove(counts)
  bench:row { case = "64 B, batch 256, get, system calls a key",
    figure = calls / keys, unit = "", target = "<= 0.1" }
end


return function(bench, arguments)
  local Bench = require "weir.app.bench"
  local url = (arguments[1] or ""):match "^redis://" and table.remove(arguments, 1)
  local asked = arguments[1]
  if asked and not HAS[asked] then
    Exit.fail(Exit.USAGE, "redis: expected %s, got %q%s", table.concat(WHAT, ", "),
      asked, suggest(asked, WHAT))
  end
  local server = url and running(url) or assert(Server.start())
  local words = { tostring(server.port), server.socket, tostring(server.pid),
                  asked or "targets", arguments[2] }
  local good, err = pcall(function()
    local what, part = words[4], words[5]
    if what ~= "verbs" then bench:program("redis", unpack(words)) end
    if what == "targets" and not part then system_calls(bench, Bench, words) end
    if what == "verbs" or what == "targets" and not part then
      weir.run(function() verbs(bench, Bench, server, words) end)
    end
  end)
  server:stop()
  if not good then
    error(err, 0)
  end
end
