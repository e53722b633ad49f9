-- policy/shared/coded.lua: a word whose store holds values in another form, made by a
-- codec of C (runtime/codec). A set encodes, a get decodes. Used by compress, checksum
-- and crypt.
--
-- A request whose values have `apart` bytes or more is coded on a thread of the
-- runtime, so that the host's loop goes on. Smaller ones would wait longer for the
-- thread than the work takes.

local ffi = require "ffi"
local Atomic = require "weir.policy.shared.atomic"
local Ffi = require "weir.ffi"
local InFlight = require "weir.native.inflight"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local Reply = require "weir.core.reply"
local Value = require "weir.core.value"

local Coded = {}

local EINVAL = 22

local failure = ffi.new "struct weir_error"


--- The options that all these words have.
Coded.OPTIONS = {
  { "plain", is = { "refuse", "accept" }, default = "refuse",
    help = "what a get does with a value that was stored without this word",
    values = { refuse = "it is corrupt",
      accept = "it is returned as it is, as while a store is being changed over" } },
  { "apart", is = "size", default = 64 * 2 ^ 10,
    help = "requests with so many bytes are coded on a thread of their own" },
  { "max", is = "size", default = 2 ^ 30,
    help = "bytes of a decoded value; a larger one is toobig" },
}


--- The rows of a word: its own, then those of all.
function Coded.rows(own)
  for _, row in ipairs(Coded.OPTIONS) do own[#own + 1] = row end
  return own
end


--- Makes the codec of a node. `kind`: "ZSTD", "LZ4", "XXH3" or "AES". `given`: the
--- options of the word. `fields`: the fields of struct weir_codec_options that are the
--- word's own. The memory that they point at is copied.
function Coded.codec(word, kind, given, fields)
  local codecs, slot = Ffi.codec(), ffi.new "struct weir_codec *[1]"
  local options = ffi.new("struct weir_codec_options", fields)
  options.kind = codecs["WEIR_CODEC_" .. kind]
  options.max, options.plain = given.max, given.plain == "accept" and 1 or 0
  local rc = codecs.weir_codec_new(slot, options, failure)
  if rc == -EINVAL then error(word .. ": " .. ffi.string(failure.message), 0) end
  if rc < 0 then error(word .. ": out of memory", 0) end
  return ffi.gc(slot[0], codecs.weir_codec_free)
end


--- Makes a node of a word over a child.
function Coded.node(class, child, given, codec)
  return class:node { children = { child }, child = child, codec = codec,
    apart = given.apart, codecs = Ffi.codec(),
    -- Large values are waited for, and not by a deadline.
    immediate = false, bounded = false,
    coded = { encoded = 0, decoded = 0, plain = 0, corrupt = 0, taken = 0, stored = 0,
      seconds = 0 } }
end


-- ---- running a codec ----

-- Runs a coding whose values have so many bytes.
local function run(self, work, bytes)
  local codecs = self.codecs
  if bytes >= self.apart then
    codecs.weir_coding_ref(work)
    if InFlight.job(codecs.weir_coding_job, work, work) then return end
    codecs.weir_coding_free(work)
  end
  codecs.weir_coding_run(work)
end


-- Makes a coding of some slots. `value_of(i)` returns a new reference to a value.
local function prepare(self, decode, req, slots, value_of)
  local codecs = self.codecs
  local work = codecs.weir_coding_new(self.codec, decode, #slots)
  if work == nil then error "weir: out of memory" end
  work = ffi.gc(work, codecs.weir_coding_free)
  local bytes = 0
  for j, i in ipairs(slots) do
    local value, key = value_of(i), req.keys[i]
    bytes = bytes + tonumber(value.size)
    if codecs.weir_coding_put(work, j - 1, value, key, #key) < 0 then
      error "weir: out of memory"
    end
  end
  return work, bytes
end


local function account(self, work)
  local counts = self.coded
  counts.seconds = counts.seconds + tonumber(work.ns) / 1e9
end


-- Takes the result of an item out of its coding.
local function take(item)
  local value = Value.own(item.out)
  item.out = nil
  Value.charge(tonumber(value.size))
  return value
end


-- ---- sets ----

local function explain(self, reply, i, name, message)
  reply:set(i, name, { store = self.name, message = self.name .. ": " .. message })
end


local function set(self, req)
  local codecs, counts = self.codecs, self.coded
  local work, bytes = prepare(self, 0, req, Lent.all(req.n), function(i)
    return Value.pointer(req.values[i])
  end)
  run(self, work, bytes)
  account(self, work)
  local values, good = {}, {}
  for i = 1, req.n do
    local item = work.items[i - 1]
    if item.result == codecs.WEIR_CODED then
      counts.encoded = counts.encoded + 1
      counts.taken = counts.taken + tonumber(item["in"].size)
      good[#good + 1], values[#good + 1] = i, take(item)
      counts.stored = counts.stored + #values[#good]
    end
  end
  if #good == req.n then return self.child:run(req:with { values = values }) end
  local reply = Reply.new(req)
  for i = 1, req.n do
    local big = work.items[i - 1].result == codecs.WEIR_CODED_TOOBIG
    explain(self, reply, i, big and "toobig" or "failed",
      big and "the value is too large to be coded" or "the value could not be coded")
  end
  if #good > 0 then
    local some = req:subset(good):with { values = values }
    reply:place(self.child:run(some), good)
  end
  return reply
end


-- ---- gets ----

local MESSAGES

local function messages(codecs)
  MESSAGES = MESSAGES or {
    [codecs.WEIR_CODED_CORRUPT] = { "corrupt",
      "not a value that this word made, or it is damaged" },
    [codecs.WEIR_CODED_KEYLESS] = { "denied",
      "encrypted with a key that the key file does not have" },
    [codecs.WEIR_CODED_TOOBIG] = { "toobig", "the decoded value is larger than max" },
    [codecs.WEIR_CODED_FAILED] = { "failed", "out of memory" },
  }
  return MESSAGES
end


local function put(self, reply, i, item)
  local codecs, counts = self.codecs, self.coded
  if item.result == codecs.WEIR_CODED or item.result == codecs.WEIR_CODED_PLAIN then
    local plain = item.result == codecs.WEIR_CODED_PLAIN
    counts.decoded = counts.decoded + 1
    counts.plain = counts.plain + (plain and 1 or 0)
    local room = reply:room()
    self.c.weir_value_unref(room.at[i - 1])
    room.at[i - 1], item.out = item.out, nil
    Value.charge(tonumber(room.at[i - 1].size))
    reply.sum = nil
    return
  end
  local why = messages(codecs)[item.result]
  counts.corrupt = counts.corrupt + (why[1] == "corrupt" and 1 or 0)
  reply:drop(i)
  explain(self, reply, i, why[1], why[2])
end


local function get(self, req)
  local private = Lent.private(req)
  local reply, slots = self.child:run(private), {}
  for i = 1, req.n do
    if reply:pointer(i) then slots[#slots + 1] = i end
  end
  if #slots == 0 then return reply end
  local work, bytes = prepare(self, 1, req, slots, function(i)
    return self.c.weir_value_ref(reply:pointer(i))
  end)
  run(self, work, bytes)
  account(self, work)
  for j, i in ipairs(slots) do put(self, reply, i, work.items[j - 1]) end
  return Lent.land(req, reply)
end


-- These look at the bytes of the value that is there.
local READS_BYTES = { incr = true, append = true, cas = true }

function Coded.refuses(_, op)
  return READS_BYTES[op] and "the store holds values in another form" or nil
end


--- Answers a request. Values without bytes pass as they are, with their sizes.
function Coded.answer(self, req)
  local op = req.op
  if self.bodiless then return self.child:run(req) end
  if op == "get" then return get(self, req) end
  if op == "set" then return set(self, req) end
  local refused = Op.atomic[op] and Atomic.refuse(self, req)
  if refused then return refused end
  if Op.prefix[op] then return self.child:run(req) end
  if Op.returns[op] then return get(self, req) end
  return Op.sends[op] and set(self, req) or self.child:run(req)
end


-- What tally returns.
Coded.STATS = {
  { "encoded", is = "counter", help = "values encoded" },
  { "decoded", is = "counter", help = "values decoded, or returned as they were" },
  { "plain", is = "counter", help = "of these, stored without this word" },
  { "corrupt", is = "counter", help = "values that could not be decoded" },
  { "taken", is = "counter", help = "bytes before encoding" },
  { "stored", is = "counter", help = "bytes after it" },
  { "seconds", is = "counter", help = "time that coding took" },
}

function Coded.tally(self)
  local copy = {}
  for name, count in pairs(self.coded) do copy[name] = count end
  return copy
end


function Coded.plan(self, op)
  local does = Op.sends[op] and "encodes"
    or Op.returns[op] and not Op.prefix[op] and "decodes"
  return does and does .. " the value" or "passes it on", { self.child }
end


--- Makes the class of a word that answers in this way.
function Coded.word(name)
  local class = Node.word(name)
  class.answer, class.tally, class.plan = Coded.answer, Coded.tally, Coded.plan
  class.refuses = Coded.refuses
  class.STATS, class.c = Coded.STATS, Ffi.C
  return class
end


return Coded
