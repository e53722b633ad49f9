-- serialize {}: set takes tables, get gives back tables. The store below holds them as
-- JSON, which other programs read, too. All other words work on bytes, so this one is
-- written last: far:crypt("keys.txt"):compress():serialize(). It changes the verbs, and
-- passes requests on as they are: redis-cli over `weir serve` sees JSON.
--
-- Not string.buffer: its format is for the programs that wrote it, it makes cdata and
-- pointers of what it reads, and it is not meant for bytes of others. A store is full
-- of these.

local add_changes = require "weir.policy.serialize.changes"
local Arguments = require "weir.policy.shared.arguments"
local Error = require "weir.core.error"
local Json = require "weir.policy.serialize.json"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Store = require "weir.core.store"
local Value = require "weir.core.value"

local Serialize = Node.word "serialize"

Serialize.HELP = "Values are tables: set takes them, get gives them back. The store "
  .. "below holds JSON."
Serialize.EXAMPLE = "far:serialize()"
Serialize.OPTIONS = {
  { "max", is = "size", default = 64 * 2 ^ 20,
    help = "bytes of the JSON of a value; a larger one is an error, or toobig" },
}


-- ---- values ----

-- Errors of arguments point at the caller of the verb, from the function that a verb
-- calls.
local VERB = 3


-- The bytes to store. A Value is bytes already.
local function encode(self, x, level)
  if Value.is(x) then return x end
  local text, why = Json.encode(x, self.max)
  if not text then
    error(("serialize: the value%s%s"):format(why:find "^[.%[]" and "" or " ", why),
      level + 1)
  end
  self.counts.encoded = self.counts.encoded + 1
  return text
end


-- What a value is. false, and the code and message of an error.
local function decode(self, value)
  local size = #value
  if size > self.max then
    return false, "toobig", ("the value has %d bytes, more than max"):format(size)
  end
  local ok, x = Json.decode(tostring(value))
  if not ok then
    self.counts.corrupt = self.counts.corrupt + 1
    return false, "corrupt", "the value is no JSON: " .. x
  end
  self.counts.decoded = self.counts.decoded + 1
  return true, x
end


-- ---- verbs ----

-- Calls a verb of all stores. Behind pcall its errors of arguments have no place.
local function call(name, store, ...)
  local ok, a, b, c = pcall(Store[name], store, ...)
  if not ok then error(a, VERB) end
  return a, b, c
end


local function decoded(self, value, err, more)
  if type(value) == "nil" then return nil, err, more end
  local ok, x, message = decode(self, value)
  value:close()
  if ok then return x, nil, more end
  return nil, Error.new(x, self.name .. ": " .. message, self.name)
end


local function all_decoded(self, reply)
  reply.tables = {}
  for i = 1, reply.n do
    local value = reply:value(i)
    if value then
      local ok, x, message = decode(self, value)
      value:close()
      reply.tables[i] = ok and x or nil
      if not ok then
        reply:set(i, x, { store = self.name, message = self.name .. ": " .. message })
      end
    end
  end
  return reply
end


local HOW = { call = call, encode = encode, decoded = decoded,
  all_decoded = all_decoded }


-- The verbs of a node. `store` is what the verb was called on: the node, or the store
-- that weir.load made of its file.
local function verbs_of(self)
  local verbs = {}

  function verbs.get(store, key, opts)
    local x, err = decoded(self, call("get", store, key, opts))
    return x, err
  end

  function verbs.peek(store, key, opts)
    return decoded(self, call("peek", store, key, opts))
  end

  function verbs.fetch(store, key, loader, opts)
    local function load(...)
      local x, why = loader(...)
      if x == nil then return nil, why end
      return encode(self, x, -1)
    end
    return decoded(self, call("fetch", store, key,
      type(loader) == "function" and load or loader, opts))
  end

  function verbs.set(store, key, x, opts)
    local stored, err = call("set", store, key, encode(self, x, 2), opts)
    return stored, err
  end

  function verbs.get_many(store, keys, opts)
    return all_decoded(self, (call("get_many", store, keys, opts)))
  end

  function verbs.fetch_many(store, keys, loader, opts)
    local function load(...)
      local list, errors = loader(...)
      if type(list) ~= "table" then return list, errors end
      local texts = {}
      for key, x in pairs(list) do texts[key] = encode(self, x, -1) end
      return texts, errors
    end
    return all_decoded(self, (call("fetch_many", store, keys,
      type(loader) == "function" and load or loader, opts)))
  end

  function verbs.set_many(store, keys, list, opts)
    local texts = list
    if type(list) == "table" then
      texts = {}
      for i = 1, #list do texts[i] = encode(self, list[i], 2) end
    end
    local reply = call("set_many", store, keys, texts, opts)
    return reply
  end

  add_changes(verbs, self, HOW)
  return verbs
end


function Serialize.new(child, ...)
  local given = Arguments.read("serialize", Serialize.OPTIONS, ...)
  local node = Serialize:node { children = { child }, child = child, max = given.max,
    counts = { encoded = 0, decoded = 0, corrupt = 0 } }
  node.verbs = verbs_of(node)
  for name, verb in pairs(node.verbs) do node[name] = verb end
  return node
end


function Serialize:answer(req)
  return self.child:run(req)
end


-- What tally returns.
Serialize.STATS = {
  { "encoded", is = "counter", help = "values written as JSON" },
  { "decoded", is = "counter", help = "values read from JSON" },
  { "corrupt", is = "counter", help = "values that were no JSON" },
}

function Serialize:tally()
  local counts = self.counts
  return { encoded = counts.encoded, decoded = counts.decoded,
    corrupt = counts.corrupt }
end


function Serialize:remember(old)
  self.counts = old.counts
end


function Serialize:plan(op)
  local does = Op.sends[op] and op ~= "append" and "a table becomes JSON"
    or Op.returns[op] and "JSON becomes a table"
  return does or "passes it on", { self.child }
end


return Serialize
