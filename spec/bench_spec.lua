-- How benchmark rows are judged, printed and compared.
local cjson = require "cjson"
local shell = require "shell"
local Bench = require "weir.app.bench"


-- What a function prints.
local function printed(fn)
  local lines, print_before = {}, print
  _G.print = function(line) lines[#lines + 1] = line end
  local good, err = pcall(fn)
  _G.print = print_before
  assert(good, err)
  return lines
end


describe("bench", function()
  it("judges ratios and figures", function()
    local rows = {
      { 3, 2, "<= 2x", true }, { 5, 2, "<= 2x", false },
      { 8, 10, ">= 0.8x", true }, { 7, 10, ">= 0.8x", false },
      { 3e6, nil, ">= 3e6", true }, { 2, nil, "<= 1", false },
    }
    local bench = Bench.new { json = true }
    local lines = printed(function()
      for _, row in ipairs(rows) do
        local figure, of, target = unpack(row, 1, 3)
        bench:row { case = "", figure = figure, of = of, unit = "", target = target }
      end
    end)
    for i, row in ipairs(rows) do
      assert.equal(row[4], cjson.decode(lines[i]).ok)
    end
    assert.same({ 6, 3 }, { bench.targets, bench.met })
  end)

  it("prints a line a case and the sum", function()
    local bench = Bench.new {}
    local lines = printed(function()
      bench:row { case = "one", figure = 3e6, unit = "items/s", target = ">= 3e6" }
      bench:row { case = "two", figure = 100, unit = "ns", of = 50, reference = "copy" }
      bench:close()
    end)
    assert.matches("^one +3 M items/s +>= 3e6 +ok$", lines[1])
    assert.matches("^two +100 ns +2%.00x copy %(50 ns%)$", lines[2])
    assert.equal("2 cases, 1 of 1 targets met", lines[3])
  end)

  it("shows how the ratio changed since an earlier run", function()
    local folder = shell.folder()
    shell.write(folder .. "/before",
      '{"case":"one","figure":100,"unit":"ns","of":50,"ratio":2}\n')
    local bench = Bench.new { before = assert(Bench.read(folder .. "/before")) }
    local lines = printed(function()
      bench:row { case = "one", figure = 150, unit = "ns", of = 50, reference = "x" }
    end)
    assert.matches("%+50 %%$", lines[1])
    shell.write(folder .. "/before", "nonsense\n")
    local rows, err = Bench.read(folder .. "/before")
    assert.is_nil(rows)
    assert.matches("not written by weir bench", err)
    shell.remove(folder)
  end)

  it("compares a ratio with a ratio, and a figure with a figure", function()
    local bench = Bench.new { before = { lost = { figure = 100, of = 50, ratio = 2 },
      won = { figure = 100 }, empty = {} } }
    local lines = printed(function()
      bench:row { case = "lost", figure = 110, unit = "ns" }
      bench:row { case = "won", figure = 110, unit = "ns", of = 55, reference = "x" }
      bench:row { case = "empty", figure = 110, unit = "ns" }
    end)
    assert.matches("%+10 %%$", lines[1])
    assert.matches("%+10 %%$", lines[2])
    assert.matches("^empty +110 ns$", lines[3])
  end)

  it("says so when a program is not there", function()
    local good, err = pcall(Bench.measure, "nothing", {}, print)
    assert.is_false(good)
    assert.matches("bench/nothing has not been built", err.message)
  end)
end)


describe("weir bench", function()
  local function fails(words, code, message)
    local got, _, err = shell.run("build/weir bench " .. words)
    assert.equal(code, got, err)
    assert.matches(message, err)
    assert.not_matches("traceback", err)
  end

  it("says what a benchmark takes, and that a case is not there", function()
    fails("redis gird", 2, 'expected targets, .*, got "gird"; did you mean "grid"')
    fails("fs nothing", 2, "no case has that in its name: nothing")
    fails("redis redis://127.0.0.1:1", 3, "no server of this machine answers")
  end)

  it("fails when its program does", function()
    local good, err = pcall(Bench.measure, "redis", { "0" }, print)
    assert.is_false(good)
    assert.matches("bench/redis failed", err.message)
  end)
end)


describe("bench --host ngx", function()
  it("measures requests beside nginx's own means #unsanitized", function()
    local code, out, err = shell.run "build/weir bench ngx memory 1 --json"
    assert.equal(0, code, err)
    local cases = {}
    for line in out:gmatch "[^\n]+" do
      local row = cjson.decode(line)
      assert.is_true(row.figure > 0 and row.of > 0)
      cases[#cases + 1] = row.case
    end
    assert.same({
      "memory, get 1 KiB, 1 connection", "memory, get 1 KiB, 64 connections",
    }, cases)
  end)
end)


describe("a flag of one benchmark", function()
  local flags = { tails = "core", grow = "memory", instances = "policies" }
  for flag, name in pairs(flags) do
    it("is refused by the others: --" .. flag, function()
      local command = (os.getenv "WEIR_BUILD" or "build") .. "/weir bench "
      for _, other in ipairs { "redis", "" } do
        local code, out, err = shell.run(command .. other .. " --" .. flag)
        assert.same({ 2, "" }, { code, out })
        assert.matches("belongs to the benchmark " .. name, err)
      end
    end)
  end
end)
