-- app/explore/listing.lua: the keys of a store that match a pattern, some at a time. On
-- request it adds sizes and times to live that the scan does not have. Used by .ls and
-- `weir ls`.

---@class weir.Listing
---@field ended boolean   there are no more
---@field looked integer  keys looked at so far, whether or not they match
local Listing = {}
Listing.__index = Listing

-- How many keys are returned at a time, and how many are looked at for those.
local PAGE, LOOKED = 512, 5000


-- The part of a pattern before the first wildcard, and the Lua pattern of all of it.
local function compile(pattern)
  local prefix = pattern:match "^[^*?]*"
  if #prefix == #pattern then return prefix, nil end
  local lua = pattern:gsub("[^%w*?]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".")
  return prefix, "^" .. lua .. "$"
end


--- Begins a listing. In a pattern * stands for any bytes and ? for one. A pattern
--- without them is the beginning of the keys.
---@param store weir.Store
---@param pattern string
---@param opts { timeout: number?, facts: boolean? } facts: sizes and times to live are
--- wanted
---@return weir.Listing
function Listing.new(store, pattern, opts)
  local prefix, matching = compile(pattern)
  return setmetatable({
    store = store, matching = matching, timeout = opts.timeout, facts = opts.facts,
    scan = store:scan { prefix = prefix, timeout = opts.timeout },
    looked = 0, ended = false,
  }, Listing)
end


local function gather(self, most)
  local page, stop = {}, self.looked + LOOKED
  while #page < most and self.looked < stop do
    local key, info = self.scan()
    if not key then
      self.ended = true
      break
    end
    self.looked = self.looked + 1
    if not self.matching or key:find(self.matching) then
      page[#page + 1] = { key = key, size = info.size, ttl = info.ttl }
    end
  end
  return page
end


-- Reads the facts that the scan did not have. A key that is gone by now, or cannot be
-- read, stays without them.
local function complete(self, page)
  local keys, entries = {}, {}
  for _, entry in ipairs(page) do
    if not entry.size then
      keys[#keys + 1], entries[#entries + 1] = entry.key, entry
    end
  end
  if #keys == 0 then return end
  local reply = self.store:stat_many(keys, { timeout = self.timeout })
  for i, entry in ipairs(entries) do
    local err = reply:error(i)
    if err and err.retryable then error(err, 0) end
    if reply[i] == "ok" then entry.size, entry.ttl = reply:size(i), reply:ttl(i) end
  end
end


--- Some more keys, at most so many: { key, size, ttl }. There may be none of them yet
--- although the listing has not ended.
---@param most number
---@return table[]
function Listing:page(most)
  local page = gather(self, math.min(most, PAGE))
  if self.facts then complete(self, page) end
  return page
end


return Listing
