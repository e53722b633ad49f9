-- serve/commands.lua: all commands, as one table: what COMMAND tells, what the listener
-- registers, and what the docs list are made of it.
--
-- A row: name, arity (as Redis counts it: with the name, -n = at least n), facts, doc.
-- The facts of a data command are op and form (enum weir_form), which the listener
-- serves itself; of others `by`, the file of serve/ with a function of that name. More
-- facts: writes, admin, no_auth, ms, at, minus (enum weir_command_flags); waits: it may
-- wait, and runs as a task; keys: the place of the first, the last, the step, as
-- COMMAND INFO has them; refused: why not; group: of COMMAND DOCS.

local NOT_ATOMIC = "no store of weir does it atomically"
local STRINGS_ONLY = "weir stores strings only"
local ONE, ALL, PAIRS = { 1, 1, 1 }, { 1, -1, 1 }, { 1, -1, 2 }

local Commands = {}

Commands.rows = {
  -- ---- data, served by the listener ----
  { "get", 2, { op = "get", form = "value", keys = ONE },
    "Returns the value of a key, or nil." },
  { "mget", -2, { op = "get", form = "values", keys = ALL },
    "Returns the values of keys. An error of one is the reply of all." },
  { "getex", -2, { op = "gat", form = "getex", writes = true, keys = ONE },
    "Returns a value and sets its time to live. EX, PX, EXAT, PXAT, PERSIST." },
  { "getdel", 2, { op = "take", form = "value", writes = true, keys = ONE },
    "Returns a value and removes it." },
  { "set", -3, { op = "set", form = "set", writes = true, keys = ONE },
    "Stores a value. EX, PX, EXAT, PXAT, NX, XX; others are refused. nil: not "
    .. "admitted, or NX or XX did not hold." },
  { "setnx", 3, { op = "add", form = "setnx", writes = true, keys = ONE },
    "Stores a value if there is none: 1, else 0." },
  { "mset", -3, { op = "set", form = "mset", writes = true, keys = PAIRS },
    "Stores values, each on its own. nil: one was not admitted." },
  { "setex", 4, { op = "set", form = "setex", writes = true, keys = ONE },
    "Stores a value with a time to live in seconds." },
  { "psetex", 4, { op = "set", form = "setex", writes = true, ms = true, keys = ONE },
    "Stores a value with a time to live in milliseconds." },
  { "append", 3, { op = "append", form = "append", writes = true, keys = ONE },
    "Adds bytes to the end of a value; returns its length." },
  { "incr", 2, { op = "incr", form = "incr", writes = true, keys = ONE },
    "Adds 1 to a number; returns the sum." },
  { "incrby", 3, { op = "incr", form = "incr", writes = true, keys = ONE },
    "Adds to a number; returns the sum." },
  { "decr", 2, { op = "incr", form = "incr", writes = true, minus = true, keys = ONE },
    "Subtracts 1 from a number; returns the rest." },
  { "decrby", 3, { op = "incr", form = "incr", writes = true, minus = true,
    keys = ONE }, "Subtracts from a number; returns the rest." },
  { "exists", -2, { op = "exists", form = "count", keys = ALL },
    "Returns how many of the keys are there." },
  { "touch", -2, { op = "exists", form = "count", keys = ALL },
    "As EXISTS." },
  { "del", -2, { op = "delete", form = "count", writes = true, keys = ALL },
    "Removes keys; returns how many were there." },
  { "unlink", -2, { op = "delete", form = "count", writes = true, keys = ALL },
    "As DEL." },
  { "strlen", 2, { op = "stat", form = "length", keys = ONE },
    "Returns the size of a value; 0: there is none." },
  { "ttl", 2, { op = "stat", form = "ttl", keys = ONE },
    "Returns the seconds left to live; -1: for ever, -2: no such key." },
  { "pttl", 2, { op = "stat", form = "ttl", ms = true, keys = ONE },
    "Returns the milliseconds left to live." },
  { "expiretime", 2, { op = "stat", form = "ttl", at = true, keys = ONE },
    "Returns the Unix time in seconds at which a key expires." },
  { "pexpiretime", 2, { op = "stat", form = "ttl", ms = true, at = true, keys = ONE },
    "Returns the Unix time in milliseconds at which a key expires." },
  { "expire", -3, { op = "touch", form = "expire", writes = true, keys = ONE },
    "Sets the time to live in seconds. NX, XX, GT, LT are refused." },
  { "pexpire", -3, { op = "touch", form = "expire", writes = true, ms = true,
    keys = ONE },
    "Sets the time to live in milliseconds." },
  { "expireat", -3, { op = "touch", form = "expire", writes = true, at = true,
    keys = ONE },
    "Sets the Unix time in seconds at which a key expires." },
  { "pexpireat", -3, { op = "touch", form = "expire", writes = true, ms = true,
    at = true, keys = ONE },
    "Sets the Unix time in milliseconds at which a key expires." },
  { "type", 2, { op = "exists", form = "type", keys = ONE },
    "Returns string, or none." },
  { "ping", -1, { form = "ping", group = "connection" },
    "Returns PONG or its argument." },

  { "multi", 1, { form = "multi", by = "session", group = "transactions",
    pretended = "EXEC would run the commands one by one; --pretend-multi allows that" },
    "With --pretend-multi: queues what follows until EXEC." },
  { "exec", 1, { form = "exec", by = "session", group = "transactions",
    pretended = "see MULTI" },
    "With --pretend-multi: runs what was queued. It is no transaction: other clients' "
    .. "commands run in between, and an error undoes nothing." },
  { "discard", 1, { form = "discard", by = "session", group = "transactions",
    pretended = "see MULTI" }, "With --pretend-multi: forgets what was queued." },
  { "unwatch", 1, { by = "session" }, "OK: there is no WATCH." },

  -- ---- keys ----
  { "persist", 2, { by = "keys", writes = true, waits = true, keys = ONE },
    "Lets a key never expire: a read of its time, then a write." },
  { "scan", -2, { by = "keys", waits = true },
    "Lists a page of keys. MATCH, COUNT, TYPE." },
  { "keys", 2, { by = "keys", waits = true },
    "Lists the keys that match; an error when they are more than 100,000." },
  { "randomkey", 1, { by = "keys", waits = true },
    "Returns a key of the first page of a scan, or nil." },
  { "dbsize", 1, { by = "keys", waits = true },
    "Returns how many keys there are, where the stores know it; else an error." },

  { "memory", -2, { by = "object", waits = true, keys = { 2, 2, 1 } },
    "USAGE key: the bytes of a key and its value." },
  { "object", -2, { by = "object", waits = true, keys = { 2, 2, 1 } },
    "ENCODING key: raw. FREQ is refused: stores do not tell." },

  -- ---- connections ----
  { "auth", -2, { by = "session", no_auth = true }, "Logs in: AUTH [user] password." },
  { "hello", -1, { by = "session", no_auth = true },
    "Chooses RESP2 or RESP3: HELLO [2|3] [AUTH user password] [SETNAME name]." },
  { "quit", -1, { by = "session", no_auth = true, unqueued = true },
    "Closes the connection." },
  { "reset", 1, { by = "session", no_auth = true, unqueued = true },
    "Makes the connection as it was at first." },
  { "echo", 2, { by = "session" }, "Returns its argument." },
  { "select", 2, { by = "session" }, "Chooses a database by its number." },
  { "client", -2, { by = "clients" },
    "ID, INFO, LIST, KILL, SETNAME, GETNAME, SETINFO, NO-EVICT, NO-TOUCH, REPLY." },

  { "cluster", -2, { by = "cluster" },
    "INFO, MYID, NODES, SLOTS, SHARDS, KEYSLOT: with --processes." },
  { "readonly", 1, { by = "cluster" },
    "OK with --processes: there are no replicas to read from." },
  { "readwrite", 1, { by = "cluster" }, "As READONLY." },
  { "asking", 1, { by = "cluster" }, "OK with --processes: no slot ever moves." },

  -- ---- the server ----
  { "info", -1, { by = "info" }, "Tells about the server, in sections." },
  { "command", -1, { by = "command" }, "COUNT, DOCS, INFO, LIST." },
  { "config", -2, { by = "config", admin = true },
    "GET pattern; RESETSTAT. SET is refused: the policy file is the place." },
  { "time", 1, { by = "session" }, "Returns the Unix time: seconds, microseconds." },
  { "role", 1, { by = "session", no_auth = true }, "master, without replicas." },
  { "lolwut", -1, { by = "session" }, "Says which version this is." },
  { "weir", -2, { by = "admin", admin = true, waits = true },
    "HELP, TREE, STATS, EXPLAIN, TRACE, SAMPLE, RELOAD, UNDO." },
}

-- Commands that clients know from Redis, and why weir has them not.
local REFUSED = {
  [NOT_ATOMIC] = { "getset", "incrbyfloat", "setrange", "msetnx", "setbit", "bitop",
    "bitfield", "rename", "renamenx", "copy", "move" },
  [STRINGS_ONLY] = { "lpush", "rpush", "lpop", "rpop", "lrange", "llen", "hset", "hget",
    "hgetall", "hmget", "hmset", "hdel", "sadd", "srem", "smembers", "scard", "zadd",
    "zrange", "zscore", "zrem", "xadd", "xread", "xrange", "pfadd", "geoadd" },
  ["WEIR TRACE shows the way of a key"] = { "monitor" },
  ["weir has no channels"] = { "subscribe", "psubscribe", "publish", "unsubscribe" },
  ["policies are written in Lua on the server's side"] = { "eval", "evalsha", "script",
    "fcall", "function" },
  ["a policy cannot tell whether a key has changed"] = { "watch" },
  ["weir persists as its stores do"] = { "save", "bgsave", "bgrewriteaof", "lastsave",
    "shutdown" },
  ["weir removes no database at once; use weir rm"] = { "flushdb", "flushall" },
  ["weir does not replicate"] = { "replicaof", "slaveof", "psync", "sync",
    "replconf", "wait" },
}

for why, names in pairs(REFUSED) do
  for _, name in ipairs(names) do
    table.insert(Commands.rows,
      { name, -1, { by = "session", refused = why }, "Refused: " .. why .. "." })
  end
end

-- Rows by name.
Commands.by_name = {}
for _, row in ipairs(Commands.rows) do Commands.by_name[row[1]] = row end


--- The Lua function of a row, or nil: the listener serves it.
---@param pretend boolean? whether MULTI and EXEC do what they can
function Commands.handler(row, pretend)
  local facts = row[3]
  if not facts.by or facts.pretended and pretend then return nil end
  local handlers = require("weir.serve." .. facts.by)
  local why = facts.refused or facts.pretended
  if why then
    return function(call)
      call.out:error(("ERR %s is refused: %s"):format(row[1]:upper(), why))
    end
  end
  return assert(handlers[row[1]], row[1])
end


return Commands
