-- replay/plot.lua: pictures as SVG: the hits of each level over time, and hit ratio
-- over the cost of a sweep's runs with both bounds.

local Plot = {}

local WIDTH, HEIGHT = 760, 360
local LEFT, RIGHT, TOP, BOTTOM = 56, 120, 28, 44
local COLORS = { "#1b6ca8", "#e08e0b", "#3a8f3a", "#8a3ab9", "#b03030", "#555555" }


local function escape(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;",
    ['"'] = "&quot;" }))
end


local function number(x)
  return ("%.2f"):format(x):gsub("%.?0+$", "")
end


-- Maps a share of the axes to a place.
local function x_of(share) return LEFT + share * (WIDTH - LEFT - RIGHT) end
local function y_of(share) return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM) end


local function text_at(x, y, text, more)
  return ('<text x="%s" y="%s"%s>%s</text>'):format(number(x), number(y), more or "",
    escape(text))
end


local function grid(lines)
  for i = 0, 4 do
    local y = number(y_of(i / 4))
    lines[#lines + 1] = ('<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="#ddd"/>')
      :format(number(x_of(0)), y, number(x_of(1)), y)
    lines[#lines + 1] = text_at(LEFT - 6, y_of(i / 4) + 4, ("%d %%"):format(25 * i),
      ' text-anchor="end"')
  end
end


local function begin(title)
  local lines = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
      .. 'font-family="sans-serif" font-size="11">'):format(WIDTH, HEIGHT),
    '<rect width="100%" height="100%" fill="white"/>',
    text_at(LEFT, 16, title, ' font-size="13"'),
  }
  grid(lines)
  return lines
end


local function close(lines)
  lines[#lines + 1] = "</svg>"
  return table.concat(lines, "\n") .. "\n"
end


local function legend(lines, i, color, text)
  local y = TOP + 16 * i
  lines[#lines + 1] = ('<rect x="%d" y="%d" width="10" height="10" fill="%s"/>')
    :format(WIDTH - RIGHT + 10, y - 9, color)
  lines[#lines + 1] = text_at(WIDTH - RIGHT + 26, y, text)
end


local function points_text(points)
  local parts = {}
  for i, p in ipairs(points) do
    parts[i] = number(x_of(p[1])) .. "," .. number(y_of(p[2]))
  end
  return table.concat(parts, " ")
end


local function line(lines, points, color, dashed)
  lines[#lines + 1] = ('<polyline fill="none" stroke="%s" stroke-width="1.5"%s '
    .. 'points="%s"/>'):format(color, dashed and ' stroke-dasharray="5 4"' or "",
    points_text(points))
end


-- An area between two curves over the same places.
local function area(lines, lower, upper, color)
  local all = {}
  for i = 1, #upper do all[i] = upper[i] end
  for i = #lower, 1, -1 do all[#all + 1] = lower[i] end
  lines[#lines + 1] = ('<polygon fill="%s" fill-opacity="0.75" points="%s"/>'):format(
    color, points_text(all))
end


local function place(i, n)
  return n > 1 and (i - 1) / (n - 1) or 0
end


-- The curve of the hits of the levels up to one.
local function curve(points, upto)
  local list = {}
  for i, point in ipairs(points) do
    local hits = 0
    for level = 1, upto do hits = hits + (point.levels[level] or 0) end
    list[i] = { place(i, #points), point.keys > 0 and hits / point.keys or 0 }
  end
  return list
end


--- Hits of each level over time, one above the other.
function Plot.over_time(report)
  local lines = begin(("%s: hits by level over time"):format(report.policy))
  local lower = curve(report.points, 0)
  for level = 1, #report.levels do
    local upper, color = curve(report.points, level), COLORS[(level - 1) % #COLORS + 1]
    area(lines, lower, upper, color)
    legend(lines, level, color, ("level %d, %.1f %%"):format(level,
      100 * report.levels[level].hit_ratio))
    lower = upper
  end
  lines[#lines + 1] = text_at(x_of(0), HEIGHT - 24, "0 s")
  lines[#lines + 1] = text_at(x_of(1), HEIGHT - 24,
    report.seconds and ("%.0f s of the trace"):format(report.seconds)
      or ("%d requests"):format(report.requests), ' text-anchor="end"')
  return close(lines)
end


-- Where a cost stands, between the least and the most: by its logarithm where they are
-- far apart.
local function scale(runs)
  local least, most = runs[1].cost, runs[#runs].cost
  if least > 0 and most / least > 8 then
    local width = math.log(most / least)
    return function(cost) return math.log(cost / least) / width end, true
  end
  return function(cost) return most > least and (cost - least) / (most - least) or 0 end
end


local function bound_curve(runs, at)
  local list = {}
  for _, run in ipairs(runs) do
    if run.bound then list[#list + 1] = { at(run.cost), run.bound.hit_ratio } end
  end
  return list
end


--- Hit ratio over cost, with the front, and the bounds where they are known.
function Plot.over_cost(runs, floor)
  local lines = begin "hit ratio over cost"
  if #runs == 0 then return close(lines) end
  local at, logarithmic = scale(runs)
  local front = {}
  for _, run in ipairs(runs) do
    local x, y = at(run.cost), run.report.hit_ratio
    if run.front then front[#front + 1] = { x, y } end
    lines[#lines + 1] = ('<circle cx="%s" cy="%s" r="%s" fill="%s"><title>%s</title>'
      .. '</circle>'):format(number(x_of(x)), number(y_of(y)), run.knee and "6" or "3",
      run.knee and COLORS[5] or COLORS[1], escape(("%s: cost %.4g, %.2f %%"):format(
        run.name, run.cost, 100 * y)))
  end
  line(lines, front, COLORS[1])
  legend(lines, 1, COLORS[1], "front")
  legend(lines, 2, COLORS[5], "knee")
  if floor then
    line(lines, bound_curve(runs, at), COLORS[2], true)
    line(lines, { { 0, floor.hit_ratio }, { 1, floor.hit_ratio } }, COLORS[3], true)
    legend(lines, 3, COLORS[2], "at this capacity")
    legend(lines, 4, COLORS[3], "any capacity")
  end
  lines[#lines + 1] = text_at(x_of(0), HEIGHT - 24, ("%.4g"):format(runs[1].cost))
  lines[#lines + 1] = text_at(x_of(1), HEIGHT - 24, ("%.4g%s"):format(runs[#runs].cost,
    logarithmic and " (logarithmic)" or ""), ' text-anchor="end"')
  return close(lines)
end


return Plot
