-- policy/shared/journal.lua: a journal: after a crash it knows the writes that were
-- acknowledged and that a store may not have. The connector "journal" adds the records
-- to files, on a thread of its own (connectors/journal.c). Used by write-back, spool.
--
-- Appends that come while one is under way go together in the next one. When the file
-- is much larger than what is live in it, the live records are written to a new file
-- and the old one is removed. A file is removed only when all that is live in it is in
-- another one, so the files together are complete at any time.

local ffi = require "ffi"
local host = require "weir.host"
local Native = require "weir.native"
local Records = require "weir.policy.shared.journal_records"
local Request = require "weir.core.request"
local Value = require "weir.core.value"

local Journal = {}
Journal.__index = Journal

local SET, DELETE, CLEAN = Records.SET, Records.DELETE, Records.CLEAN
local size_of = Records.size_of

local FILES = 16         -- names of files: "0", "1", ...
local LEAST = 1024 * 1024 -- bytes of a file that is not replaced yet
local CHUNK = 4 * 1024 * 1024 -- bytes of one append, unless one record is larger
local MAX_FILE = 2 ^ 38


-- ---- a journal ----

local open = setmetatable({}, { __mode = "v" }) -- by path


--- The journal of a folder. Each has one user at a time. sync: "none" or "data".
function Journal.open(path, sync, user)
  local known = open[path]
  if known and known.user ~= user and not known.user.retired then
    return nil, "invalid", path .. ": another store of this process uses this journal"
  end
  if known and known.sync == sync then
    known.user = user
    return known
  end
  if known then known:close() end
  local ok, store = pcall(Native.open, "journal", { path = path, sync = sync,
    max_value = MAX_FILE })
  if not ok then return nil, "invalid", tostring(store) end
  local self = Journal.new(store)
  self.path, self.sync, self.user = path, sync, user
  open[path] = self
  return self
end


--- A journal on a store that adds what is set.
function Journal.new(store)
  return setmetatable({ store = store, live = {}, live_bytes = 0, number = 0, bytes = 0,
    waiting = {}, cut = 0, files = {} }, Journal)
end


function Journal:close()
  if self.path and open[self.path] == self then open[self.path] = nil end
  self.store:close()
end


local function ask(self, op, names, values)
  local req = Request.new(op, names)
  req.values = values
  local ok, reply = pcall(self.store.run, self.store, req)
  if not ok then return nil, "failed", tostring(reply) end
  for i = 1, req.n do
    if reply[i] ~= "ok" and reply[i] ~= "miss" then
      return nil, reply[i], tostring(reply:error(i))
    end
  end
  return reply
end


-- Adds records to a file, in appends of a bounded size.
local function write(self, file, records)
  local first = 1
  while first <= #records do
    local last, size = first, size_of(records[first])
    while records[last + 1] and size + size_of(records[last + 1]) <= CHUNK do
      last = last + 1
      size = size + size_of(records[last])
    end
    local value = Value.build(size, function(to)
      to = ffi.cast("char *", to)
      for i = first, last do to = Records.encode(records[i], to) end
    end)
    local reply, status, why = ask(self, "set", { file }, { value })
    value:close()
    if not reply then return nil, status, why end
    self.bytes, first = self.bytes + size, last + 1
  end
  return true
end


local function live_records(self)
  local records = {}
  for _, record in pairs(self.live) do records[#records + 1] = record end
  return records
end


-- Writes the live records to a new file, then removes the other files. Returns true and
-- whether these are gone; or nil, a status and a reason.
local function begin_file(self)
  local used, file = {}, nil
  for _, name in ipairs(self.files) do used[name] = true end
  for i = 0, FILES - 1 do
    if not used[tostring(i)] then file = tostring(i) break end
  end
  if not file then return nil, "nospace", "the journal has too many files" end
  local before = self.bytes
  self.bytes = 0
  local ok, status, why = ask(self, "delete", { file })
  if ok then ok, status, why = write(self, file, live_records(self)) end
  if not ok then
    self.bytes = before
    ask(self, "delete", { file })
    return nil, status, why
  end
  local gone = #self.files == 0 or ask(self, "delete", self.files) ~= nil
  self.file, self.files = file, gone and {} or self.files
  table.insert(self.files, file)
  return true, gone
end


-- Goes on with the files that are there, where there is no room for another one. No
-- record can follow a torn end. whole: by name, whether the file has none.
local function reuse_file(self, whole, bytes)
  for _, name in ipairs(self.files) do
    if whole[name] then self.file = name end
  end
  self.bytes = bytes
  return self.file ~= nil
end


--- Reads the journal, once. Returns a list of the writes that the store may not
--- have, { key =, value =, ends = }; nil, a status and a sentence: it cannot be read.
function Journal:recover()
  if self.file then return {} end
  local names = {}
  for i = 0, FILES - 1 do names[i + 1] = tostring(i) end
  local reply, status, why = ask(self, "get", names)
  if not reply then return nil, status, why end
  local live, clean, number, whole, values, bytes = {}, {}, 0, {}, {}, 0
  self.files, self.live, self.live_bytes, self.cut = {}, {}, 0, 0
  for i = 1, FILES do
    local value = reply:value(i)
    if value then
      self.files[#self.files + 1], values[#values + 1] = names[i], value
      local highest, cut = Records.read(value.data, #value, live, clean,
        number)
      number, self.cut, bytes = highest, self.cut + cut, bytes + #value
      whole[names[i]] = cut == 0
    end
  end
  local list, now, clock = {}, host.now(), os.time()
  self.number = number
  for key, write_of in pairs(live) do
    if write_of.number > (clean[key] or 0) then
      local value = write_of.kind == SET
        and Value.copy(write_of.from, write_of.size) or nil
      local ends = write_of.ends > 0 and write_of.ends or nil
      local record = { kind = write_of.kind, key = key, value = value,
        number = write_of.number, ends = ends }
      self.live[key] = record
      self.live_bytes = self.live_bytes + size_of(record)
      list[#list + 1] = { key = key, value = value, record = record,
        ends = ends and now + (ends - clock) }
    end
  end
  for _, value in ipairs(values) do value:close() end
  local ok
  ok, status, why = begin_file(self)
  if ok or status == "nospace" and reuse_file(self, whole, bytes) then return list end
  return nil, status, why
end


-- ---- appending ----

local function keep(self, record)
  local old = self.live[record.key]
  if record.kind == CLEAN then
    if old and old.number <= record.number then
      self.live[record.key] = nil
      self.live_bytes = self.live_bytes - size_of(old)
    end
    return
  end
  self.live[record.key] = record
  self.live_bytes = self.live_bytes + size_of(record) - (old and size_of(old) or 0)
end


-- Whether the file has grown enough to be replaced.
local function is_large(self)
  return self.bytes > math.max(LEAST, 2 * self.live_bytes, 2 * (self.kept or 0))
end


-- Where there is no room to say that the store has some writes, the journal is written
-- anew without them, if that makes it half as long. Returns whether it was.
local function shrink(self, records)
  local live, bytes = {}, self.live_bytes
  for key, record in pairs(self.live) do live[key] = record end
  for _, record in ipairs(records) do
    local old = live[record.key]
    if record.kind == CLEAN and old and old.number <= record.number then
      live[record.key], bytes = nil, bytes - size_of(old)
    end
  end
  if bytes == self.live_bytes or 2 * bytes > self.bytes then return false end
  local before, before_bytes = self.live, self.live_bytes
  self.live, self.live_bytes = live, bytes
  local ok, gone = begin_file(self)
  -- What is in a file that is still there is still live.
  if not gone then self.live, self.live_bytes = before, before_bytes end
  return ok and gone
end


-- Writes what waits until nothing does. Each part goes with one answer.
local function work(self)
  while #self.waiting > 0 do
    local parts, records = self.waiting, {}
    self.waiting = {}
    for _, part in ipairs(parts) do
      for _, record in ipairs(part.records) do records[#records + 1] = record end
    end
    local fine, ok, status, why = pcall(write, self, self.file, records)
    if not fine then ok, status, why = nil, "failed", tostring(ok) end
    for _, record in ipairs(ok and records or {}) do keep(self, record) end
    local shrunk = status == "nospace" and shrink(self, records)
    for _, part in ipairs(parts) do
      local good = ok or shrunk and part.clean
      part.status, part.why = good and "ok" or status, why
      host.wake(part.waiter)
    end
    if is_large(self) then
      -- A file that cannot be replaced goes on growing for a while.
      self.kept = not begin_file(self) and self.bytes or nil
    end
  end
  self.working = false
end


-- clean: they say that the store has writes.
local function add(self, records, clean)
  local part = { records = records, clean = clean, waiter = host.prepare() }
  self.waiting[#self.waiting + 1] = part
  if not self.working then
    self.working = true
    host.spawn(work, self)
  end
  if not part.status then host.wait(part.waiter) end
  return part.status, part.why
end


--- Adds writes: { key =, value =, ends = } each. Returns "ok", or a status and a
--- sentence; then none of them counts.
function Journal:append(entries)
  local records, now, clock = {}, host.now(), os.time()
  for i, entry in ipairs(entries) do
    self.number = self.number + 1
    records[i] = { kind = entry.value and SET or DELETE, key = entry.key,
      value = entry.value, number = self.number,
      ends = entry.ends and clock + (entry.ends - now) }
    entry.record = records[i]
  end
  return add(self, records)
end


--- Notes that the store has these writes, or needs them no more. Returns whether the
--- journal has that, and the status if not.
function Journal:clean(entries)
  local records = {}
  for i, entry in ipairs(entries) do
    records[i] = { kind = CLEAN, key = entry.key, number = entry.record.number }
  end
  local status, why = add(self, records, true)
  self.failure = why
  return status == "ok", status
end


return Journal
