-- app/repl/history.lua: the lines of earlier sessions, in $XDG_STATE_HOME/weir/history,
-- one a line, appended as they come, so that sessions side by side lose none. A
-- statement that may hold a secret is not kept: one line too few is better than one too
-- many.
local Catalog = require "weir.native.catalog"
local Terminal = require "weir.app.terminal"

---@class weir.History
---@field lines string[] oldest first
local History = {}
History.__index = History

local KEPT = 1000


-- The folders on the way to the file, outermost first.
local function folder()
  local home = os.getenv "HOME"
  local state = os.getenv "XDG_STATE_HOME"
  if state and state:find "^/" then return state, { state } end
  if not home or home == "" then return nil end
  return home .. "/.local/state", { home .. "/.local", home .. "/.local/state" }
end


local function read(path)
  local lines = {}
  local file = io.open(path)
  if not file then return lines end
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  return lines
end


-- Rewrites a file that has twice as many lines as are kept.
local function shorten(path, lines)
  local kept = {}
  for i = math.max(1, #lines - KEPT + 1), #lines do kept[#kept + 1] = lines[i] end
  if #lines < 2 * KEPT then return kept end
  local new = path .. ".new"
  if not Terminal.make_private(new) then return kept end
  local file = io.open(new, "w")
  if not file then return kept end
  local written = file:write(table.concat(kept, "\n"), "\n")
  if file:close() and written then os.rename(new, path) end
  return kept
end


local function secret_names()
  local names = {}
  for _, connector in ipairs((Catalog.all())) do
    for _, option in ipairs(connector.options) do
      if option.type == "secret" then names[#names + 1] = option.name end
    end
  end
  return names
end


--- Opens the history. If the file cannot be written, it lasts for this session only.
---@return weir.History
function History.open()
  local self = setmetatable({ lines = {}, secrets = secret_names() }, History)
  local base, folders = folder()
  if not base then return self end
  for _, path in ipairs(folders) do Terminal.make_folder(path) end
  Terminal.make_folder(base .. "/weir")
  local path = base .. "/weir/history"
  if Terminal.make_private(path) then
    self.path = path
    self.lines = shorten(path, read(path))
  end
  return self
end


-- Credentials before a host, also in a URL that is refused (a raw slash in the
-- password, a misspelt scheme): a misspelt password is nearly the right one.
local URLS = {
  ":/.*@", "//.*@",            -- scheme://user:password@host
  "%f[%w]open%f[%W].*:%S*@%S", -- .open far user:password@host
}

-- Names of passwords before an =, in any spelling, but not `passwords`.
local ASSIGNED = { "pas+w?o?r?d?", "passw%w*", "pwd", "secret", "%w+_secret" }

-- Commands of Redis that are followed by a password.
local COMMANDS = { "auth", "requirepass", "masterauth" }


local function has_assignment(text)
  for name in text:gmatch "%f[%w_]([%w_]+)[\"'%]%s]*=" do
    for _, pattern in ipairs(ASSIGNED) do
      if name ~= "passwords" and name:find("^" .. pattern .. "$") then return true end
    end
  end
  return false
end


local function has_command(text)
  for _, name in ipairs(COMMANDS) do
    if text:find("%f[%w_]" .. name .. "%f[^%w_][\"']?[%s,=]") then return true end
  end
  return false
end


--- Whether a text may hold a secret: an option of that kind, anything like a URL with
--- credentials, valid or not, or a command of Redis that takes a password.
---@param text string
---@return boolean
function History:is_secret(text)
  text = text:lower()
  for _, pattern in ipairs(URLS) do
    if text:find(pattern) then return true end
  end
  for _, name in ipairs(self.secrets) do
    if text:find("%f[%w_]" .. name .. "%f[^%w_]") then return true end
  end
  return has_assignment(text) or has_command(text)
end


--- Keeps the lines of a statement for later sessions, unless there is a secret in it.
---@param statement string
function History:add(statement)
  if not self.path or self:is_secret(statement) then return end
  local file = io.open(self.path, "a")
  if not file then return end
  file:write(statement, "\n")
  file:close()
end


return History
