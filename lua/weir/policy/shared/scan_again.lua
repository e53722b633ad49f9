-- policy/shared/scan_again.lua: asks stores whether they have keys of a page of a scan.
-- Used by scan_copies.lua and spool.

local Request = require "weir.core.request"

local Again = {}


--- The exists request for some of the keys of a page.
---@param req weir.Request the scan
---@param slots integer[] which of the keys
function Again.request(req, keys, slots)
  local asked = {}
  for j, i in ipairs(slots) do asked[j] = keys[i] end
  local ask = Request.new("exists", asked)
  ask.deadline, ask.trace = req.deadline, req.trace
  return ask
end


--- Asks the store that made a page whether it still has the keys: some may have been
--- deleted after it made the page. keep[i] becomes false for those that it lacks.
--- Returns the slots of the others.
function Again.ask(store, req, keys, slots, keep)
  if #slots == 0 then return slots end
  local answer, left = store:run(Again.request(req, keys, slots)), {}
  for j, i in ipairs(slots) do
    keep[i] = answer[j] ~= "miss"
    if keep[i] then left[#left + 1] = i end
  end
  return left
end


return Again
