-- Rows of text that line up: numbers to the right, words to the left.
local Columns = {}


-- Bytes of UTF-8 that continue a character take no column.
local function width(text)
  return #text - select(2, text:gsub("[\128-\191]", ""))
end


--- Returns rows as aligned text. align is a string of l and r, one for each column. A
--- missing one is l. The last left column is not padded.
---@param rows string[][]
---@param align? string
---@return string[]
function Columns.lines(rows, align)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, width(cell))
    end
  end
  for n, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local room = (" "):rep(widths[i] - width(cell))
      cells[i] = (align or ""):sub(i, i) == "r" and room .. cell or cell .. room
    end
    lines[n] = (table.concat(cells, "  "):gsub(" +$", ""))
  end
  return lines
end


--- Writes them to a file, stdout by default.
function Columns.print(rows, align, file)
  for _, line in ipairs(Columns.lines(rows, align)) do
    (file or io.stdout):write(line, "\n")
  end
end


return Columns
