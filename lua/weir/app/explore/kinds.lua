-- app/explore/kinds.lua: how the words of a command line become values, by the kind
-- that the table of a command names. Each returns the value, or nil and a sentence.
local Ffi = require "weir.ffi"
local Quantity = require "weir.core.quantity"

local Kinds = {}

local KEY_MAX = 65536


--- A key: any bytes.
function Kinds.key(text)
  if #text == 0 then return nil, "a key has at least one byte" end
  if #text > KEY_MAX then
    return nil, ("a key has at most %d bytes, not %d"):format(KEY_MAX, #text)
  end
  return text
end


--- The beginning of keys. It may be empty.
function Kinds.prefix(text)
  return text
end


--- Any text.
function Kinds.text(text)
  return text
end


--- A number of things.
function Kinds.count(text)
  local n = tonumber(text)
  if n and n >= 1 and n % 1 == 0 then return n end
  return nil, ("'%s' is no whole number over 0"):format(text)
end


--- A share from 0 to 1, also in percent.
function Kinds.share(text)
  local number, percent = text:match "^([%d.]+)(%%?)$"
  local share = tonumber(number)
  if share and percent == "%" then share = share / 100 end
  if share and share <= 1 then return share end
  return nil, ("'%s' is no share; write 0.1 or 10%%"):format(text)
end


Kinds.size = Quantity.size


--- A time over 0.
function Kinds.time(text)
  local seconds, err = Quantity.seconds(text)
  if seconds == 0 then return nil, "a time is over 0" end
  return seconds, err
end


--- Returns a reader of one of some words.
---@param words string[]
function Kinds.one_of(words)
  return function(text)
    for _, word in ipairs(words) do
      if word == text then return word end
    end
    return nil, ("'%s' is none of %s%s"):format(text, table.concat(words, ", "),
      Ffi.suggest(text, words))
  end
end


--- The function that reads a row's words: of its kind, or one of its choices.
---@param row { kind: string?, choices: string[]? }
function Kinds.reader(row)
  if row.choices then return Kinds.one_of(row.choices) end
  return Kinds[row.kind]
end


return Kinds
