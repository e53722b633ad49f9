-- traces.lua: where the real traces are, for specs that need them: WEIR_TRACES, or
-- shared/traces beside the checkout. Specs skip what needs them when there are none.

local Traces = {}


local function is_there(folder)
  local file = io.open(folder .. "/mooncake_conversation_trace.jsonl")
  if file then file:close() end
  return file ~= nil
end


--- The folder, or nil.
function Traces.folder()
  local given = os.getenv "WEIR_TRACES"
  for _, folder in ipairs { given or "../shared/traces", "../../shared/traces" } do
    if is_there(folder) then return folder end
  end
end


local known = {} -- batches by path


--- The batches of keys of a Mooncake trace, read by this line of its own.
function Traces.batches(path)
  if known[path] then return known[path] end
  local batches = {}
  known[path] = batches
  for line in io.lines(path) do
    local keys = {}
    for id in line:match '"hash_ids": %[(.-)%]':gmatch "%d+" do keys[#keys + 1] = id end
    batches[#batches + 1] = keys
  end
  return batches
end


return Traces
