-- replay/source.lua: the requests of one or more traces, one after the other: what is
-- skipped, how many at most, which share of the keys. Used by the engine and by bounds.

local Formats = require "weir.replay.formats"
local Input = require "weir.replay.input"
local Shards = require "weir.replay.shards"

local Source = {}
Source.__index = Source


local function open_file(self, path)
  local input = Input.open(path, { skip_bad = self.skip_bad })
  local format, why
  if self.format then
    format, why = Formats.find(self.format)
    if not format then error(why, 0) end
  else
    if input:head() == "" then error(path .. ": the trace is empty", 0) end
    format = Formats.detect(input:head(), path)
    if not format then
      error(("%s: the format is not known; --format is one of %s"):format(path,
        table.concat(Formats.NAMES, ", ")), 0)
    end
  end
  if self.columns and not format.takes_columns then
    error(("%s: --columns is for csv, and this is read as %s; --format csv reads it as "
      .. "csv"):format(path, format.name), 0)
  end
  local read, has_ops, has_ttls = format.open(input, { columns = self.columns,
    in_use = self.in_use })
  self.input, self.read = input, read
  self.found = { name = format.name, prefix = format.prefix or false,
    recorded = format.recorded or has_ops or false, expires = has_ttls or false }
end


local function next_file(self)
  if self.input then
    self.bad = self.bad + self.input.bad
    self.input:close()
    self.input = nil
  end
  self.at = self.at + 1
  local path = self.paths[self.at]
  if not path then return false end
  open_file(self, path)
  return true
end


--- Opens traces. opts: format, columns, skip_bad; skip, limit: in requests; sample: the
--- share of the keys. in_use: the caller uses only so many of the last requests, and a
--- format may fill older ones again; nil: none may be. A sample leaves requests out, so
--- those that the caller has are older than in_use tells: none is filled again.
---@param paths string[]
---@param in_use integer?
function Source.open(paths, opts, in_use)
  opts = opts or {}
  local sample = opts.sample and opts.sample < 1 and opts.sample or nil
  local self = setmetatable({ paths = paths, at = 0, bad = 0, n = 0, all_keys = 0,
    format = opts.format, columns = opts.columns, skip_bad = opts.skip_bad,
    in_use = not sample and in_use or nil, sample = sample,
    skip = opts.skip or 0, limit = opts.limit or math.huge }, Source)
  next_file(self)
  for _ = 1, self.skip do
    if not self:raw() then break end
  end
  return self
end


-- The first request of the next file that has one.
local function raw_of_next(self)
  while next_file(self) do
    local request = self.read()
    if request then return request end
  end
end


--- The next request of the files, whatever it is.
function Source:raw()
  return self.input and self.read() or self.input and raw_of_next(self) or nil
end


-- The next request that has some of the keys of a sample.
local function next_of_sample(self)
  while self.n < self.limit do
    local request = self:raw()
    if not request then return nil end
    self.n, self.all_keys = self.n + 1, self.all_keys + request.n
    request = Shards.pick(request, self.sample)
    if request then return request end
  end
end


--- The next request, or nil at the end. Of a sample, one that has some of its keys.
function Source:next()
  if self.sample then return next_of_sample(self) end
  if self.n >= self.limit then return nil end
  local request = self:raw()
  if request then self.n = self.n + 1 end
  return request
end


--- How many lines were no requests.
function Source:bad_lines()
  return self.bad + (self.input and self.input.bad or 0)
end


function Source:close()
  if self.input then self.input:close() end
  self.input = nil
end


return Source
