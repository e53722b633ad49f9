-- app/bench.lua: collects the rows of a benchmark, judges and prints them. A benchmark
-- is a program (examples/bench/NAME.c), a file app/bench/NAME.lua that returns
-- function(bench, args), or both; then the Lua file decides when the program runs.
--
-- A row: { case=, figure=, unit=, reference=, of=, target=, note= }. A target is
-- "<= 2x" or ">= 0.8x" for the ratio figure / of, ">= 3e6" for the figure itself; a
-- note has further figures, in words.
local cjson = require "cjson"
local Exit = require "weir.app.exit"
local Ffi = require "weir.ffi"
local Json = require "weir.app.show.json"
local Quantity = require "weir.core.quantity"

local Bench = {}
Bench.__index = Bench

Bench.NAMES = {
  "core", "memory", "shm", "fs", "lmdb", "redis", "cluster", "coherent", "policies",
  "lua", "replay", "ngx", "serve",
}


--- new returns a collector.
---@param options { json: boolean?, before: table? } before: rows by case
function Bench.new(options)
  return setmetatable({
    json = options.json,
    before = options.before or {},
    cases = 0,
    targets = 0,
    met = 0,
  }, Bench)
end


--- read returns the rows of a file that --json wrote, by case.
---@return table?, string? error
function Bench.read(path)
  local file, err = io.open(path)
  if not file then
    return nil, err
  end
  local rows = {}
  for line in file:lines() do
    local good, row = pcall(cjson.decode, line)
    if not good or type(row) ~= "table" or not row.case then
      return nil, path .. ": not written by weir bench --json"
    end
    rows[row.case] = row
  end
  file:close()
  return rows
end


-- Whether a row reached its target; nil: it has none.
local function reached(row)
  if not row.target then
    return nil
  end
  local order, bound, ratio = row.target:match "^([<>])= ?([%d.e+]+)(x?)$"
  assert(order, "bench: no target can be read from " .. row.target)
  local value = ratio == "x" and row.ratio or row.figure
  if order == "<" then
    return value <= tonumber(bound)
  end
  return value >= tonumber(bound)
end


local function with_unit(figure, unit)
  if unit == "ns" then
    return Quantity.time(figure / 1e9)
  end
  return (Quantity.count(figure) .. " " .. unit):gsub("k (%a)", "k %1")
end


local function against(row)
  if not row.ratio then
    return ""
  end
  local of = with_unit(row.of, row.unit)
  return ("%.2fx %s (%s)"):format(row.ratio, row.reference, of)
end


-- How a row changed. The ratio is compared where both have one: machines drift.
local function change(row, before)
  if not before then
    return ""
  end
  local now, was = row.figure, before.figure
  if row.ratio and before.ratio then
    now, was = row.ratio, before.ratio
  end
  if not was or was == 0 then
    return ""
  end
  return ("%+.0f %%"):format((now / was - 1) * 100)
end


local function verdict(row)
  if row.ok == nil then return "" end
  return row.ok and "ok" or "MISS"
end


--- row takes one case.
function Bench:row(row)
  row.ratio = row.of and row.figure / row.of
  row.ok = reached(row)
  self.cases = self.cases + 1
  if row.target then
    self.targets = self.targets + 1
    self.met = self.met + (row.ok and 1 or 0)
  end
  if self.json then
    print(Json.encode(row))
  else
    local line = ("%-52s %13s  %-46s %-9s %-5s %-7s %s"):format(row.case,
      with_unit(row.figure, row.unit), against(row), row.target or "",
      verdict(row), change(row, self.before[row.case]), row.note or "")
    print((line:gsub(" +$", "")))
  end
  io.flush()
end


local function executable(name)
  local folder = Ffi.library:match "^(.*)/"
  for _, place in ipairs { "/bench/", "/weir/app/bench/" } do
    local path = folder .. place .. name
    local file = io.open(path)
    if file then
      file:close()
      return path
    end
  end
end


local function quoted(words)
  local list = {}
  for i, word in ipairs(words) do
    list[i] = "'" .. word:gsub("'", "'\\''") .. "'"
  end
  return table.concat(list, " ")
end


--- measure runs a benchmark program and calls each with its rows; raises when there
--- is none or it fails.
---@param each fun(row: table)
---@param under string? a command that runs the program: strace
function Bench.measure(name, arguments, each, under)
  local path = executable(name)
  if not path then
    Exit.fail(Exit.ERROR, "the program bench/%s has not been built", name)
  end
  local line = (under and under .. " " or "") .. quoted { path, unpack(arguments) }
  -- In Lua 5.1 closing a pipe does not return the program's exit code.
  local pipe, status = assert(io.popen(line .. "; echo $?")), nil
  for text in pipe:lines() do
    status = tonumber(text)
    if not status then
      each(cjson.decode(text))
    end
  end
  pipe:close()
  if status ~= 0 then
    Exit.fail(Exit.ERROR, "the program bench/%s failed", name)
  end
end


--- program runs a benchmark program and passes its rows on.
function Bench:program(name, ...)
  Bench.measure(name, { ... }, function(row) self:row(row) end)
end


local function has_lua(name)
  return package.searchpath("weir.app.bench." .. name, package.path) ~= nil
end


--- exists says whether a benchmark can be run: its program may not be built.
function Bench.exists(name)
  return has_lua(name) or executable(name) ~= nil
end


--- run runs a benchmark by name.
function Bench:run(name, arguments)
  if has_lua(name) then
    require("weir.app.bench." .. name)(self, arguments)
  else
    self:program(name, unpack(arguments))
  end
end


--- close prints the sum.
function Bench:close()
  if not self.json then
    print(("%d cases, %d of %d targets met"):format(self.cases, self.met, self.targets))
  end
end


return Bench
