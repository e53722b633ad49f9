-- policy/shared/emptying.lua: deletes all keys of a store whose copies may be old.

local host = require "weir.host"
local Page = require "weir.policy.shared.scan_page"
local Request = require "weir.core.request"

local Emptying = {}

local PAGE = 1024 -- keys deleted at once
local BREATH = 0.001 -- seconds between two pages, in which others run
local PATIENCE = 10 -- seconds for one request


--- Deletes every key of a store. Waits.
---@param store weir.Store
---@param goes_on? fun(): boolean asked after each page, false ends it
---@return boolean emptied
---@return weir.Error? err of the store, if it failed
function Emptying.run(store, goes_on)
  local cursors
  repeat
    local scan = Request.new("scan", { "" })
    scan.page, scan.cursors, scan.deadline = PAGE, cursors, host.now() + PATIENCE
    local reply = store:run(scan)
    local page = reply[1] == "ok" and reply:take(1)
    if not page then return false, reply:error(1) end
    local keys = Page.keys(page)
    page:close()
    if #keys > 0 then
      local delete = Request.new("delete", keys)
      delete.deadline = host.now() + PATIENCE
      local deleted = store:run(delete)
      for i = 1, deleted.n do
        local err = deleted:error(i)
        if err then return false, err end
      end
    end
    cursors = reply.cursors and reply.cursors[1] and reply.cursors
    if cursors and host.can_park() then host.sleep(BREATH) end
    if goes_on and not goes_on() then return false end
  until not cursors
  return true
end


return Emptying
