-- A gateway for the chunks of a KV cache, with traffic of its own: made-up sessions of
-- an LLM service. `run` in this folder calls it twice:
--
--     gateway.lua FOLDER record               serves, and records it in kv.rec
--     gateway.lua FOLDER ghost RAM EVICTION   serves with a ghost of a candidate beside
--                                             it, reloads the candidate, and serves on
local sessions = require "weir.app.trace.sessions"
local weir = require "weir"

local REQUESTS = 3000
local CHUNK = ("x"):rep(1024)

local folder, mode, ram, eviction = ...
local next_request = sessions(mode == "record" and 1 or 2)


-- What clients do: they ask for the chunks of a request and set those that they had to
-- compute. Returns the share of the chunks that were there.
local function serve(store)
  local hits, all = 0, 0
  for i = 1, REQUESTS do
    local keys, missing, values = {}, {}, {}
    for k, id in ipairs(next_request()) do keys[k] = "chunk/" .. id end
    local reply = store:get_many(keys)
    for k, key in ipairs(keys) do
      if reply[k] ~= "ok" then
        missing[#missing + 1], values[#values + 1] = key, CHUNK
      end
    end
    if #missing > 0 then store:set_many(missing, values) end
    hits, all = hits + #keys - #missing, all + #keys
    if i % 100 == 0 then weir.sleep(0.001) end
  end
  return 100 * hits / all
end


local function record()
  local store = weir.load(folder .. "/kv.lua"):record { path = folder .. "/kv.rec" }
  print(("served %d requests: %.1f %% of the chunks were there"):format(REQUESTS,
    serve(store)))
  store:close()
end


-- kv.lua with other values of its parameters.
local function candidate()
  local file = assert(io.open(folder .. "/kv.lua"))
  local text = file:read "*a"
  file:close()
  text = text:gsub('"ram", "[^"]*"', ('"ram", "%s"'):format(ram))
    :gsub('"eviction", "[^"]*"', ('"eviction", "%s"'):format(eviction))
  return text
end


local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
  file:close()
end


local function ghost()
  write("candidate.lua", candidate())
  local tree = weir.load(folder .. "/kv.lua")
  local store = tree:ghost(folder .. "/candidate.lua")
  print(("the file that serves    %5.1f %% of the chunks were there"):format(
    serve(store)))
  weir.sleep(0.5)
  local facts = store:tally()
  print(("the candidate, a ghost  %5.1f %% would have been there"):format(
    100 * facts.hits / facts.gets))
  write("kv.lua", candidate())
  assert(tree:reload())
  print(("the candidate, reloaded %5.1f %% of the chunks were there"):format(
    serve(tree)))
  store:close()
end


if mode == "record" then record() else ghost() end
