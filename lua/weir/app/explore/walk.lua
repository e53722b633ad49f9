-- app/explore/walk.lua: a bounded walk over the keys of a store with their sizes, page
-- by page. Used by big, du, diff and cp. It holds one page at a time, reads the sizes
-- that the scan does not have, shows its progress, and can stop at a limit and go on
-- later.
local Failures = require "weir.app.explore.failures"
local Quantity = require "weir.core.quantity"
local Unlisted = require "weir.app.explore.unlisted"

local PAGE = 512

---@class weir.Walk
---@field keys integer   keys seen so far
---@field bytes number   and their bytes
---@field ended boolean  there are no more
---@field left_out integer  keys that the scan cannot show, once it has ended
---@field failures weir.Failures  the keys whose sizes could not be read
local Walk = {}
Walk.__index = Walk


--- Begins a walk over the keys of a store that begin with a prefix.
---@param view weir.View
---@param store weir.Store
---@param prefix string?
---@param opts { timeout: number?, verb: string?, ask: boolean?,
---  failures: weir.Failures? }? ask: each key for its size and time to live, which a
---  scan may not know
---@return weir.Walk
function Walk.new(view, store, prefix, opts)
  opts = opts or {}
  return setmetatable({
    view = view,
    store = store,
    verb = opts.verb or "scanned",
    timeout = opts.timeout,
    ask = opts.ask,
    failures = opts.failures or Failures.new(view),
    unlisted = Unlisted.new(store),
    left_out = 0,
    scan = store:scan { prefix = prefix, timeout = opts.timeout },
    keys = 0, bytes = 0, ended = false,
  }, Walk)
end


-- Up to a page of keys, with the facts that the scan has of each.
local function gather(self, most)
  local page = { n = 0, keys = {}, sizes = {}, ttls = {} }
  local unknown = {}
  while page.n < most do
    local key, info = self.scan()
    if not key then
      self.ended = true
      break
    end
    page.n = page.n + 1
    page.keys[page.n], page.sizes[page.n] = key, info.size
    page.ttls[page.n] = info.ttl
    if self.ask or not info.size then unknown[#unknown + 1] = page.n end
  end
  return page, unknown
end


-- Reads the facts that the scan did not have. Keys that are gone by now, or cannot be
-- read, leave the page.
local function complete(self, page, unknown)
  local asked = {}
  for i, at in ipairs(unknown) do asked[i] = page.keys[at] end
  local reply = self.store:stat_many(asked, { timeout = self.timeout })
  for i, at in ipairs(unknown) do
    local err = reply:error(i)
    if err then self.failures:unreadable(page.keys[at], err) end
    local there = reply[i] == "ok"
    page.sizes[at], page.ttls[at] = there and reply:size(i) or nil, reply:ttl(i)
  end
  local n = 0
  for i = 1, page.n do
    if page.sizes[i] then
      n = n + 1
      page.keys[n], page.sizes[n] = page.keys[i], page.sizes[i]
      page.ttls[n] = page.ttls[i]
    end
  end
  for i = n + 1, page.n do page.keys[i], page.sizes[i], page.ttls[i] = nil, nil, nil end
  page.n = n
end


--- Turns the page: { n, keys, sizes, ttls }, or nil at the end.
---@param most integer? keys at most
function Walk:page(most)
  if self.ended then return nil end
  local page, unknown = gather(self, math.min(most or PAGE, PAGE))
  if #unknown > 0 then complete(self, page, unknown) end
  self.keys = self.keys + page.n
  for i = 1, page.n do self.bytes = self.bytes + page.sizes[i] end
  return page
end


--- Calls fn(page) for page after page until the end, or until `limit` more keys
--- were seen: then returns false.
---@param fn fun(page: table)
---@param limit integer?
---@return boolean ended
function Walk:each(fn, limit)
  local stop = limit and self.keys + limit or math.huge
  local function describe()
    return ("%s %s, %s"):format(self.verb, Quantity.things(self.keys, "key"),
      Quantity.bytes(self.bytes))
  end
  self.view:long(function(tell)
    while not self.ended and self.keys < stop do
      fn(self:page(stop - self.keys))
      tell(describe)
    end
  end)
  if self.ended then
    local sentence
    self.left_out, sentence = self.unlisted:told()
    if sentence then self.view:note("%s", sentence) end
  end
  return self.ended
end


return Walk
