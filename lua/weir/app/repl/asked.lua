-- app/repl/asked.lua: counts how often keys were requested, in bounded memory: when
-- there are too many, all counts are halved and those that reach 0 are dropped. For
-- .hot.
local Asked = {}
Asked.__index = Asked

local MOST = 4096


function Asked.new()
  return setmetatable({ counts = {}, n = 0 }, Asked)
end


local function fade(self)
  local kept, n = {}, 0
  for name, entry in pairs(self.counts) do
    entry.count = math.floor(entry.count / 2)
    if entry.count > 0 then
      kept[name] = entry
      n = n + 1
    end
  end
  self.counts, self.n = kept, n
end


--- Counts a question for a key of a store.
function Asked:count(store, key)
  local name = store .. "\0" .. key
  local entry = self.counts[name]
  if not entry then
    if self.n >= MOST then fade(self) end
    entry = { store = store, key = key, count = 0 }
    self.counts[name] = entry
    self.n = self.n + 1
  end
  entry.count = entry.count + 1
end


--- The entries requested most: { store, key, count }.
---@param most integer
function Asked:most(most)
  local list = {}
  for _, entry in pairs(self.counts) do list[#list + 1] = entry end
  table.sort(list, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    return a.key < b.key
  end)
  for i = #list, most + 1, -1 do list[i] = nil end
  return list
end


return Asked
