-- app/help/verbs.lua: the verbs of a store, for .help, `weir words` and completion. The
-- options are those of the tables that check them (core/options.lua, core/scan.lua).
local Options = require "weir.core.options"

local Verbs = {}

-- { name, arguments, what it returns, what it does, op whose options it takes }
local ROWS = {
  { "get", "key, opts", "value; nil for a miss; nil, err",
    "Reads a value.", "get" },
  { "get_string", "key, opts", "string; nil for a miss; nil, err",
    "Reads a value as a plain Lua string, for what takes nothing else (ngx.print, "
    .. "table.concat, cjson.decode, a table's key).", "get" },
  { "fetch", "key, loader, opts",
    "value, nil, true when it is past its time; nil: there is none; nil, err",
    "Reads a value, or loads it with loader(key) and stores it. Of many callers at the "
    .. "same time one loads and the others wait. The loader returns a value, nil if "
    .. "there is none, or nil and an error.", "fetch" },
  { "peek", "key, opts",
    "value, nil, { ttl =, stale =, level = }; nil for a miss; nil, err",
    "Reads a value as it lies there: no copy is made, no loader called, no refresh "
    .. "begun. A value past its time is returned, too, marked stale. ttl is the time "
    .. "that it has left, below 0 past it, nil if it does not expire.", "get" },
  { "purge", "key, opts", "true; false when there was none; nil, err",
    "Removes a value from all stores above the origins, and forgets that it is absent. "
    .. "Unlike delete it succeeds although an origin cannot delete.", "delete" },
  { "set", "key, value, opts", "true; false, err when not admitted; nil, err",
    "Stores a value under a key.", "set" },
  { "exists", "key, opts", "true or false; nil, err",
    "Tells whether a key has a value.", "exists" },
  { "delete", "key, opts", "true; false when there was none; nil, err",
    "Removes a value. Also true when an attempt whose reply was lost may have removed "
    .. "it; delete_many marks such a slot in reply.maybe.", "delete" },
  { "stat", "key, opts", "{ size =, ttl = }; nil for a miss; nil, err",
    "Tells the size in bytes of a value, and the seconds it has left to live (ttl is "
    .. "nil when it does not expire).", "stat" },
  { "touch", "key, ttl, opts", "true; false when there was none; nil, err",
    "Gives a value a new time to live: seconds or \"10m\"; nil: it never expires.",
    "touch" },
  { "add", "key, value, opts", "true; false when there is a value; nil, err",
    "Stores a value if there is none.", "add" },
  { "replace", "key, value, opts", "true; false when there is none; nil, err",
    "Stores a value if there is one already.", "replace" },
  { "cas", "key, value, expected, opts",
    "true; false when there is another value or none; nil, err",
    "Stores a value if the one that is there is still the expected one. expected is "
    .. "the old value, or its version: value:version(), reply:version(i).", "cas" },
  { "incr", "key, delta, opts", "the sum; nil, err",
    "Adds to a number, which is stored as decimal digits and begins at 0. ttl is that "
    .. "of a value that it creates; one that is there keeps its own.", "incr" },
  { "append", "key, value, opts", "the new length; nil, err",
    "Adds bytes to the end of a value, which begins empty. ttl is that of a value that "
    .. "it creates; one that is there keeps its own.", "append" },
  { "gat", "key, ttl, opts", "value; nil for a miss; nil, err",
    "Reads a value and gives it a new time to live: seconds or \"10m\"; nil: it never "
    .. "expires.", "gat" },
  { "take", "key, opts", "value; nil for a miss; nil, err",
    "Reads a value and removes it.", "take" },
  { "get_into", "key, buffer, opts", "size; nil for a miss; nil, err",
    "Reads a value into your memory: an FFI array of bytes, or { pointer, size }. A "
    .. "buffer that is too small: nil and an error \"toobig\" with the true size.",
    "get" },
  { "scan", "opts", "an iterator of key, { size =, ttl = }",
    "Walks the keys, a page at a time: for key, info in store:scan { prefix = \"u:\" } "
    .. "do ... end. A key may come twice while others write or a store fails. No key "
    .. "that stays is left out. An error is raised.", "scan" },
  { "trace", "key, opts", "steps, reply",
    "Runs a get and tells what happened at each store, in order: { path, op, status, "
    .. "bytes, seconds, attempts, level, decision }. Prints well.", "stat" },
  { "explain", "op, key", "steps",
    "Tells which way an op would go for a key and why, without running it: { path, "
    .. "why } a step. Prints well." },
  { "tree", "", "a table",
    "The store and what is below it, in order: { path, word, name, label, children }. "
    .. "Prints well." },
  { "stats", "", "a table by path",
    "What the stores of the tree have counted, by path (default.tier[2].retry)." },
  { "flush", "opts", "true; nil, err",
    "Waits until the last store of each tier with write = back {} has all that is "
    .. "dirty. err.left lists what it does not have: { key =, status = }.", "flush" },
  { "sweep", "opts", "removed, seen; nil, err",
    "Removes pieces that no value has any more, below each chunk of the tree: after a "
    .. "crash, or after writes whose replies were lost. It reads all keys there. "
    .. "Returns how many pieces it removed, and how many it has seen.", "sweep" },
  { "close", "opts", "true; nil, err",
    "Refuses what comes after it and ends what is in flight. It waits as a verb does: "
    .. "other tasks run meanwhile. Where nothing can wait (some phases of nginx, a "
    .. "callback of luv) the store closes by itself later. A second close does "
    .. "nothing.", "close" },
  { "get_many", "keys, opts", "a reply",
    "Reads the values of a list of keys. A key that comes twice is read once.", "get" },
  { "fetch_many", "keys, loader, opts", "a reply",
    "As fetch, for a list of keys. loader(keys) is called once, with all keys that are "
    .. "missing, and returns values by key; return values, errors fails single keys.",
    "fetch" },
  { "set_many", "keys, values, opts", "a reply",
    "Stores values[i] under keys[i]. Of a key that comes twice the last value stays.",
    "set" },
  { "exists_many", "keys, opts", "a reply", "As exists, for a list of keys.",
    "exists" },
  { "delete_many", "keys, opts", "a reply", "As delete, for a list of keys.",
    "delete" },
  { "purge_many", "keys, opts", "a reply", "As purge, for a list of keys.",
    "delete" },
  { "stat_many", "keys, opts", "a reply", "As stat, for a list of keys.", "stat" },
  { "touch_many", "keys, ttl, opts", "a reply", "As touch, for a list of keys.",
    "touch" },
  { "add_many", "keys, values, opts", "a reply",
    "As add, for a list of keys; a slot whose key has a value is rejected.", "add" },
  { "replace_many", "keys, values, opts", "a reply", "As replace, for a list of keys.",
    "replace" },
  { "cas_many", "keys, values, expected, opts", "a reply",
    "As cas, for a list of keys; a slot with another value is rejected.", "cas" },
  { "incr_many", "keys, deltas, opts", "a reply",
    "As incr, for a list of keys; deltas is a list or one number for all, and "
    .. "reply:number(i) the sum.", "incr" },
  { "append_many", "keys, values, opts", "a reply",
    "As append, for a list of keys; reply:number(i) is the new length.", "append" },
  { "gat_many", "keys, ttl, opts", "a reply", "As gat, for a list of keys.", "gat" },
  { "take_many", "keys, opts", "a reply", "As take, for a list of keys.", "take" },
  { "get_into_many", "keys, buffers, opts", "a reply",
    "Reads values[i] into buffers[i]; reply:size(i) is its size.", "get" },
}


--- The names, in the order of the help.
---@return string[]
function Verbs.names()
  local names = {}
  for i, row in ipairs(ROWS) do names[i] = row[1] end
  return names
end


--- What a verb does: name, arguments, returns, help, options; nil: there is none.
---@param name string
---@return table?
function Verbs.about(name)
  for _, row in ipairs(ROWS) do
    if row[1] == name then
      return { name = name, arguments = row[2], returns = row[3], help = row[4],
        options = row[5] and Options.of(row[5]) or {} }
    end
  end
end


return Verbs
