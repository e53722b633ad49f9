-- core/store.lua: the verbs for one key. A store is a table with run(self, request) ->
-- reply. Everything that users call is made of run here: checks, duplicates removed,
-- values and errors as results. native.lua and every policy are stores.

local Changes = require "weir.core.changes"
local Closing = require "weir.core.closing"
local Events = require "weir.core.events"
local Many = require "weir.core.many"
local check_method = require "weir.core.method"
local Op = require "weir.core.op"
local options = require "weir.core.options"
local Request = require "weir.core.request"
local scan = require "weir.core.scan"
local status = require "weir.core.status"
local Explain = require "weir.observe.explain"
local Ffi = require "weir.ffi"
local Stats = require "weir.observe.stats"
local Trace = require "weir.observe.trace"
local Tree = require "weir.observe.tree"
local Unsaved = require "weir.core.unsaved"

local class = status.class

---@class weir.Store
---@field name string what messages and statistics call it
---@field children table? the stores it asks, by index or name
---@field immediate boolean? run never waits
---@field bounded boolean? run returns by the request's deadline
---@field forgets boolean? of a file's store: when run has returned, nothing refers to
---  the values of the request, and nothing but the caller to those of the reply
---@field run fun(self: weir.Store, req: weir.Request): weir.Reply
local Store = {}
Store.__index = Store


--- Makes a store of a table that has `run`.
---@param fields table
---@return weir.Store
function Store.new(fields)
  return setmetatable(fields, Store)
end


--- Whether something is a store. The module has a `run`, too, and is none.
---@param x any
---@return boolean
function Store.is(x)
  return type(x) == "table" and x ~= package.loaded.weir and type(x.run) == "function"
end


-- Errors of the request point at the caller of the verb.
local VERB = 2

local one, lend = Request.one, Request.lend


-- Makes the request of a verb for one key.
local function request(self, op, key, opts)
  check_method(self, op, VERB + 1)
  local req = one(op, key, opts, VERB + 1)
  return req
end


-- The same for a verb that gives the request and the reply back at its end.
local function lent_request(self, op, key, opts)
  if type(self) == "table" and self.reuses and not opts and type(key) == "string" then
    return lend(op, key)
  end
  check_method(self, op, VERB + 1)
  local req = one(op, key, opts, VERB + 1)
  return req
end


local function give_back(req, reply)
  if req.pooled then
    reply:give_back()
    req:give_back()
  end
end


-- The result of a verb for the one slot of a reply: `yes` for good, `no` for a miss, or
-- nil and an error. The verb is done with the request and the reply.
local function outcome(req, reply, yes, no)
  local name = reply[1]
  if class[name] == "good" or name == "miss" then
    give_back(req, reply)
    if name ~= "miss" then return yes end
    return no
  end
  local err = reply:error(1)
  give_back(req, reply)
  if name == "rejected" then return false, err end
  return nil, err
end


--- Reads a value. nil alone: there is none. nil and an error: not known.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number?, prefix: boolean? }?
---@return weir.Value? value, weir.Error? err
function Store:get(key, opts)
  local req = lent_request(self, "get", key, opts)
  local reply = self:run(req)
  return outcome(req, reply, reply:take(1))
end


--- Reads a value as a plain Lua string, for functions that accept no Value (ngx.print,
--- table.concat, cjson.decode, a table's key). nil alone: there is none.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number?, prefix: boolean? }?
---@return string? text, weir.Error? err
function Store:get_string(key, opts)
  check_method(self, "get_string", VERB)
  local req = lent_request(self, "get", key, opts)
  local reply = self:run(req)
  local text = reply:string(1)
  reply:drop(1)
  return outcome(req, reply, text)
end


--- Stores a value under a key. false and an error: it was not admitted.
---@param key string
---@param value string|weir.Value|ffi.cdata*|table
---@param opts { ttl: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return boolean? stored, weir.Error? err
function Store:set(key, value, opts)
  local req = lent_request(self, "set", key, opts)
  req:with_value(value, VERB)
  return outcome(req, self:run(req), true)
end


--- Whether there is a value.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number?, prefix: boolean? }?
---@return boolean? there, weir.Error? err
function Store:exists(key, opts)
  local req = lent_request(self, "exists", key, opts)
  return outcome(req, self:run(req), true, false)
end


--- Removes a value. false: there was none. Also true when an attempt whose answer was
--- lost may have removed it; delete_many marks such a slot in reply.maybe.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return boolean? removed, weir.Error? err
function Store:delete(key, opts)
  local req = lent_request(self, "delete", key, opts)
  return outcome(req, self:run(req), true, false)
end


--- The size in bytes and the seconds left to live (nil: for ever) of a value.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return { size: number, ttl: number? }? facts, weir.Error? err
function Store:stat(key, opts)
  local req = request(self, "stat", key, opts)
  local reply = self:run(req)
  return outcome(req, reply, { size = reply:size(1), ttl = reply:ttl(1) })
end


--- Gives a value a new time to live; nil: it never expires. false: none there.
---@param key string
---@param ttl weir.Seconds? seconds or "10m"
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return boolean? touched, weir.Error? err
function Store:touch(key, ttl, opts)
  local req = lent_request(self, "touch", key, opts)
  req.ttl = options.seconds("a time to live", ttl, VERB)
  return outcome(req, self:run(req), true, false)
end


--- Reads a value into the caller's memory and returns its size. A buffer that is
--- too small: nil and an error "toobig" with the true size.
---@param key string
---@param buffer ffi.cdata*|table an array of bytes, or { pointer, size, anchor? }
---@param opts { timeout: weir.Seconds?, deadline: number?, prefix: boolean? }?
---@return number? size, weir.Error? err
function Store:get_into(key, buffer, opts)
  check_method(self, "get_into", VERB)
  local req = request(self, "get", key, opts)
  req:with_buffers({ buffer }, 1, VERB)
  local reply = self:run(req)
  return outcome(req, reply, reply:size(1))
end


--- Walks the keys that begin with a prefix, a bounded page at a time:
---   for key, info in store:scan { prefix = "user:" } do print(key, info.size) end
--- A key may come twice while others write or a store fails; none that stays is left
--- out. Words over several stores list what a get finds. An error on the way is
--- raised: a loop that ends early would look complete. `size` is nil where only a
--- `stat` would tell it.
---@param opts { prefix: string?, limit: integer?, page: integer?,
---  timeout: weir.Seconds? }?
---@return fun(): string?, { size: number?, ttl: number? }
function Store:scan(opts)
  check_method(self, "scan", VERB)
  local steps = scan(self, opts or {}, VERB)
  return steps
end


--- Runs a get and says what happened at each store that was asked, in order:
--- { path, op, status, bytes, seconds, attempts, level, decision }. Printable.
---@param key string
---@param opts { timeout: weir.Seconds?, deadline: number? }?
---@return table[] steps, weir.Reply reply
function Store:trace(key, opts)
  check_method(self, "trace", VERB)
  local req = request(self, "get", key, opts)
  req.trace = Trace.new()
  local reply = self:run(req)
  return req.trace:finish(self), reply
end


--- Which way an op would go for a key and why, without running it:
--- { path, why } a step. Printable.
---@param op string
---@param key string
---@return table[] steps
function Store:explain(op, key)
  check_method(self, "explain", VERB)
  if not Op.number[op] then
    error(("explain takes an op, one of %s, not %s%s"):format(
      table.concat(Op.list, ", "), tostring(op), Ffi.suggest(op, Op.list)), VERB)
  end
  if type(key) ~= "string" then error("a key is a string", VERB) end
  return Explain.run(self, op, key, Op.atomic[op])
end


--- The store and what is below it, in order: { path, word, name, label,
--- children }. Printable.
---@return table
function Store:tree()
  check_method(self, "tree", VERB)
  return Tree.of(self)
end


--- The counts of the stores of the tree, by path (`default.tier[2].retry`).
---@return table<string, table>
function Store:stats()
  check_method(self, "stats", VERB)
  return Stats.run(self)
end


--- The store below whose hits are what gets of this store answer now, for every key,
--- with no other effect than counts; nil: there is none. It holds until anything else
--- runs on this thread. Used by weir serve (serve/fast_path.lua).
function Store:fast_path()
end


--- Begins to close what is below. Returns a function that waits for the end.
function Store:begin_close(opts)
  local stores = {}
  for _, child in pairs(self.children or {}) do stores[#stores + 1] = child end
  return Closing.begin(stores, opts)
end


--- Waits until the last store of each tier has all writes that are dirty now
--- (write = back {}). nil and an error when a store does not take some, or not within
--- `timeout`: err.left lists them as { key =, status = }.
---@param opts { timeout: weir.Seconds? }?
---@return boolean? flushed, weir.Error? err
function Store:flush(opts)
  check_method(self, "flush", VERB)
  local seconds = opts and options.read("flush", opts, VERB).timeout
  local err = Unsaved.flush(self, seconds)
  if err then return nil, err end
  return true
end


--- Stops taking operations and ends what is in flight: finishes it within `timeout`
--- seconds (5), or with drop = true ends it at once. Waits for that as a verb does:
--- other tasks run meanwhile. Where nothing can wait (some phases of nginx, a callback
--- of luv) the store closes by itself later. A second close does nothing.
---@param opts { timeout: weir.Seconds?, drop: boolean? }?
---@return boolean? closed, weir.Error? err
function Store:close(opts)
  check_method(self, "close", VERB)
  return self:begin_close(opts and options.read("close", opts, VERB))()
end


function Store:__tostring()
  return ("weir.store(%s)"):format(self.name or "?")
end


for name, verb in pairs(Many) do Store[name] = verb end
for name, verb in pairs(Changes) do Store[name] = verb end
for name, method in pairs(Events) do Store[name] = method end


return Store
