-- policy/serialize/changes.lua: the atomic verbs of serialize, which take and give
-- tables as set and get do. incr is that of all stores: its sums are JSON.

local ffi = require "ffi"

local UINT64 = ffi.typeof "uint64_t"


-- What cas expects: a version stays one.
local function expected_text(encode, self, x, level)
  if ffi.istype(UINT64, x) then return x end
  return encode(self, x, level + 1)
end


local function texts_of(encode, self, list, level)
  if type(list) ~= "table" then return list end
  local texts = {}
  for i = 1, #list do texts[i] = encode(self, list[i], level + 1) end
  return texts
end


local function refuse_append()
  error("serialize: append adds bytes, and then a value is no JSON; use cas", 2)
end


--- Adds the verbs of a node to a list. how: encode, decoded, all_decoded and call of
--- serialize.lua.
return function(verbs, self, how)
  local call, encode = how.call, how.encode

  for _, name in ipairs { "add", "replace" } do
    verbs[name] = function(store, key, x, opts)
      local stored, err = call(name, store, key, encode(self, x, 2), opts)
      return stored, err
    end
    verbs[name .. "_many"] = function(store, keys, list, opts)
      local reply = call(name .. "_many", store, keys, texts_of(encode, self, list, 2),
        opts)
      return reply
    end
  end

  function verbs.cas(store, key, x, expected, opts)
    local stored, err = call("cas", store, key, encode(self, x, 2),
      expected_text(encode, self, expected, 2), opts)
    return stored, err
  end

  function verbs.cas_many(store, keys, list, expected, opts)
    local wanted = expected
    if type(expected) == "table" then
      wanted = {}
      for i = 1, #expected do
        wanted[i] = expected_text(encode, self, expected[i], 2)
      end
    end
    local reply = call("cas_many", store, keys, texts_of(encode, self, list, 2), wanted,
      opts)
    return reply
  end

  function verbs.gat(store, key, ttl, opts)
    local x, err = how.decoded(self, call("gat", store, key, ttl, opts))
    return x, err
  end

  function verbs.take(store, key, opts)
    local x, err = how.decoded(self, call("take", store, key, opts))
    return x, err
  end

  function verbs.gat_many(store, keys, ttl, opts)
    return how.all_decoded(self, (call("gat_many", store, keys, ttl, opts)))
  end

  function verbs.take_many(store, keys, opts)
    return how.all_decoded(self, (call("take_many", store, keys, opts)))
  end

  verbs.append, verbs.append_many = refuse_append, refuse_append
end
