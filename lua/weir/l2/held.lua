-- l2/held.lua: adds the values that a store holds already to a ledger. Used by l2.lua.

local BATCH = 512


local function stat(store, ledger, keys, limits, level)
  local reply = store:stat_many(keys, limits)
  for i, key in ipairs(keys) do
    if reply[i] == "ok" then
      ledger:note(key, reply:size(i) or 0)
    elseif reply[i] ~= "miss" then
      error(("weir.l2: scan = true needs the size of each key: %s")
        :format(tostring(reply:error(i))), level + 1)
    end
  end
end


--- Adds the sizes that the store's scan has, and reads those that it does not have.
--- `timeout`: seconds for each page and batch, or nil. Errors point `level` frames up.
return function(store, ledger, timeout, level)
  local unsized, limits = {}, timeout and { timeout = timeout } or nil
  for key, info in store:scan(limits) do
    if info.size then
      ledger:note(key, info.size)
    else
      unsized[#unsized + 1] = key
    end
    if #unsized == BATCH then
      stat(store, ledger, unsized, limits, level + 1)
      unsized = {}
    end
  end
  if #unsized > 0 then stat(store, ledger, unsized, limits, level + 1) end
end
