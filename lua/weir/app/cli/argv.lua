-- app/cli/argv.lua: takes passwords out of this process's command line, which ps shows
-- to every user of the machine. The words have been copied to `arg` by then. Called
-- first of all, by the script `weir` (cli/command), so it needs nothing else of weir.
local ffi = require "ffi"

local Argv = {}

-- Of /proc/self/stat, counted behind the name of the program, which may have blanks.
local ARG_START, ARG_END = 46, 47


-- Where the kernel reads the command line from: it is this process's own memory.
local function bounds()
  local file = io.open "/proc/self/stat"
  local text = file and file:read "*a"
  if file then file:close() end
  local fields = {}
  for field in (text and text:match "^.*%)(.*)$" or ""):gmatch "%S+" do
    fields[#fields + 1] = field
  end
  return tonumber(fields[ARG_START] or 0), tonumber(fields[ARG_END] or 0)
end


-- Where in a word that may hold a password the hidden part begins, or nil: behind the
-- scheme of a URL with credentials or options, else at its beginning.
local function hidden_from(word)
  if not word:find "[@?]" and not word:lower():find "passw" then return nil end
  local _, mark = word:find("://", 1, true)
  return (mark or 0) + 1
end


--- Overwrites possible passwords with asterisks in the last n words of the command
--- line. Without /proc nothing is done, and ps shows nothing either.
---@param n integer
function Argv.hide(n)
  local first, last = bounds()
  if first == 0 or last <= first then return end
  local memory = ffi.cast("char *", ffi.cast("uintptr_t", first))
  local words, at = {}, 0
  for word in ffi.string(memory, last - first):gmatch "([^%z]*)%z" do
    words[#words + 1] = { at = at, text = word }
    at = at + #word + 1
  end
  for i = math.max(#words - n + 1, 1), #words do
    local from = hidden_from(words[i].text)
    if from then
      ffi.fill(memory + words[i].at + from - 1, #words[i].text - from + 1, 42)
    end
  end
end


return Argv
