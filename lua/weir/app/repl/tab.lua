-- app/repl/tab.lua: completes the line at a Tab: inserts the beginning that all
-- candidates share, and lists them when there are several.
local Wide = require "weir.app.repl.wide"

local Tab = {}


local function common(candidates)
  local shared = candidates[1]
  for _, text in ipairs(candidates) do
    while text:sub(1, #shared) ~= shared do shared = shared:sub(1, -2) end
  end
  -- Not half a character.
  while shared:find "[\192-\255]$" or shared:find "[\224-\255][\128-\191]$"
    or shared:find "[\240-\255][\128-\191][\128-\191]$" do
    shared = shared:sub(1, -2)
  end
  return shared
end


--- Completes the word before the cursor.
---@param editor weir.Editor
function Tab.press(editor)
  local _, before = editor.edit:line()
  local candidates, start = editor.complete(before)
  if #candidates == 0 then return end
  local typed, shared = before:sub(start), common(candidates)
  if #shared > #typed or #candidates == 1 and shared ~= typed then
    editor.edit:insert(shared, #Wide.codes(typed))
  elseif #candidates > 1 then
    editor:print(table.concat(candidates, "  "))
  end
end


return Tab
