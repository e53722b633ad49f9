-- The commands replay and sweep, as people and programs use them.

local cjson = require "cjson"
local shell = require "shell"

local WEIR = (os.getenv "WEIR_BUILD" or "build") .. "/weir "

describe("weir replay", function()
  local folder, trace, policy

  setup(function()
    folder = shell.folder()
    trace, policy = folder .. "/t.csv", folder .. "/kv.lua"
    local lines, x = { "time,key,size" }, 1
    for i = 1, 4000 do
      x = x * 16807 % 2147483647
      lines[#lines + 1] = ("%g,k%d,1000"):format(i / 100, (x % 1000) ^ 2 / 1000)
    end
    shell.write(trace, table.concat(lines, "\n") .. "\n")
    shell.write(policy, [[return tier {
      memory { capacity = param("ram", "128KiB"), eviction = "lru", shards = 1 },
      fs { path = "/never/made", capacity = "512KiB" },
      promote = hits(param("hits", 2)) }]])
  end)

  teardown(function() shell.remove(folder) end)

  local function weir(line)
    local code, out, err = shell.run(WEIR .. line)
    return { code = code, out = out, err = err }
  end

  it("prints one screen for people", function()
    local ran = weir(("replay %s %s"):format(policy, trace))
    assert.equal(0, ran.code, ran.err)
    for _, text in ipairs { "requests +4000", "level", "memory", "fs", "promoted" } do
      assert.matches(text, ran.out)
    end
    local lines, widest = 0, 0
    for line in ran.out:gmatch "[^\n]+" do
      lines, widest = lines + 1, math.max(widest, #line)
    end
    assert.is_true(lines <= 24 and widest <= 110, ran.out)
  end)

  it("says so when no request is left to count", function()
    for _, options in ipairs { "--skip 4000", "--warmup 4000", "--limit 0" } do
      local ran = weir(("replay %s %s %s"):format(policy, trace, options))
      assert.equal(0, ran.code)
      assert.matches("\nno request was counted: ", ran.out, 1, true)
    end
    assert.is_nil(weir(("replay %s %s"):format(policy, trace)).out:find "no request")
  end)

  it("takes any URL, and says what is wrong with one", function()
    local url = "fs://" .. folder .. "/never"
    local ran = weir(("replay %s %s"):format(url, trace))
    assert.equal(0, ran.code, ran.err)
    local small = weir(("sweep %s %s capacity=64KiB,1GiB --json"):format(url, trace))
    local ratios = {}
    for line in small.out:gmatch "[^\n]+" do
      ratios[#ratios + 1] = cjson.decode(line).report.hit_ratio
    end
    assert.is_true(ratios[1] < ratios[2], small.err)
    assert.equal(1, (shell.run("test -e " .. folder .. "/never")))
    ran = weir(("replay 'fs://?pth=x' %s"):format(trace))
    assert.equal(3, ran.code)
    assert.equal('weir replay: fs: no option is named "pth"; did you mean path?\n',
      ran.err)
  end)

  it("writes no password of a URL", function()
    for _, command in ipairs { "replay %q %s", "replay %q %s --json",
      "sweep %q %s prefix=a,b --json" } do
      for _, url in ipairs { "redis://u:s3cret@h:6379", "redis://h?password=s3cret" } do
        local ran = weir(command:format(url, trace))
        assert.equal(0, ran.code, ran.err)
        assert.is_nil((ran.out .. ran.err):find("s3cret", 1, true), ran.out)
      end
    end
  end)

  it("refuses --columns where the trace has none", function()
    local path = folder .. "/m.jsonl"
    shell.write(path, '{"timestamp": 0, "input_length": 512, "output_length": 1, '
      .. '"hash_ids": [1]}\n')
    assert.equal(0, weir(("replay %s %s"):format(policy, path)).code)
    local ran = weir(("replay %s %s --columns time,key"):format(policy, path))
    assert.equal(3, ran.code)
    assert.is_truthy(ran.err:find("--columns is for csv, and this is read as mooncake",
      1, true), ran.err)
  end)

  it("prints everything as JSON, the same bytes each time", function()
    local line = ("replay %s %s --json --bounds"):format(policy, trace)
    local first = weir(line)
    assert.equal(first.out, weir(line).out)
    local report = cjson.decode(first.out)
    assert.equal(4000, report.keys)
    assert.equal(report.hits, report.levels[1].hits + report.levels[2].hits)
    assert.is_true(report.bounds.compulsory.hits >= report.hits)
    assert.is_true(report.stores[2].evictions.count > 0)
  end)

  it("prints lists as lists, also the empty ones", function()
    shell.write(folder .. "/far.lua", [[return tier { readonly { memory {} },
      memory { capacity = "1MiB" } }]])
    for _, words in ipairs { policy, folder .. "/far.lua" } do
      local out = weir(("replay %s %s --json --requests get-or-set"):format(words,
        trace)).out
      assert.is_nil(out:match '"%l+":{}', out)
      assert.is_nil(out:match '"levels":{', out)
      assert.matches('"warnings":[]', out, 1, true)
    end
    local swept = weir(("sweep memory:// %s capacity=1MiB --json --limit 1"):format(
      trace)).out
    assert.is_nil(swept:match '"%l+":{}', swept)
    for _, line in ipairs { "connectors --json", "connectors fs --json" } do
      assert.matches('"schemes":[]', weir(line).out, 1, true)
    end
  end)

  it("puts another file beside it, or a report from before", function()
    shell.write(folder .. "/other.lua", "return memory { capacity = '128KiB' }")
    local ran = weir(("replay %s %s --compare %s/other.lua"):format(policy, trace,
      folder))
    assert.matches("hit ratio +%d[%d.]+ %% +%d[%d.]+ %% +%-[%d.]+ %%", ran.out)
    assert.matches("fs: bytes written", ran.out)
    shell.write(folder .. "/full.json", weir(("replay %s %s --json"):format(policy,
      trace)).out)
    ran = weir(("replay %s %s --sample 0.5 --compare %s/full.json"):format(policy,
      trace, folder))
    assert.matches("a sample of 50.00 %% of the keys", ran.out)
    assert.matches("full.json +difference", ran.out)
  end)

  it("does with the real stores what it does with models", function()
    local live = folder .. "/live.lua"
    shell.write(live, ([[return tier {
      memory { capacity = "8MiB" }, fs { path = "%s/disk", workers = 2 } }]])
      :format(folder))
    local ran = weir(("replay %s %s --limit 500 --against live --json"):format(live,
      trace))
    assert.equal(0, ran.code, ran.err)
    local reports = cjson.decode(ran.out)
    assert.equal(500, reports[2].keys)
    assert.equal(reports[1].hits, reports[2].hits)
    for i = 1, 2 do
      assert.same(reports[1].stores[i].ops.set, reports[2].stores[i].ops.set)
    end
    assert.is_truthy(reports[2].stores[2].latency.get.p99)
  end)

  it("draws hits over time", function()
    assert.equal(0, weir(("replay %s %s --plot %s/x.svg"):format(policy, trace,
      folder)).code)
    local file = assert(io.open(folder .. "/x.svg"))
    local svg = file:read "*a"
    file:close()
    assert.matches("^<svg .*level 2, %d.*</svg>\n$", svg)
    assert.equal(2, select(2, svg:gsub("<polygon", "")))
  end)

  it("prints what is known so far when it is interrupted", function()
    local pipe = folder .. "/endless"
    assert(os.execute("mkfifo " .. pipe))
    local code, out, err = shell.run(("(echo time,key; seq 1 3000 | sed 's/.*/&,k&/'; "
      .. "sleep 1; kill -INT $(cat %s/pid); seq 3001 90000 | sed 's/.*/&,k&/') > %s & "
      .. "sh -c 'echo $$ > %s/pid; exec %sreplay memory %s --format csv'")
      :format(folder, pipe, folder, WEIR, pipe))
    assert.equal(130, code, err)
    assert.matches("stopped early", out)
    assert.matches("requests +%d", out)
  end)

  it("says what is wrong with a trace, an option, a param or a model", function()
    local function complains(line, text, code)
      local ran = weir("replay " .. line)
      assert.equal(code or 2, ran.code)
      assert.is_truthy(ran.err:find(text, 1, true), ran.err)
    end
    complains(policy .. " /no/trace", "No such file", 3)
    complains(("%s %s --speed fast"):format(policy, trace),
      "write max, 1x or closed=16")
    complains(("%s %s --set rum=1"):format(policy, trace), 'did you mean "ram"?')
    complains(("%s %s --format cvs"):format(policy, trace),
      '--format: there is no format "cvs"; did you mean "csv"?\n')
    complains(("%s %s --columns time,kye"):format(policy, trace),
      'replay: --columns: there is no column "kye"; did you mean "key"?\n')
    complains(("%s %s --size 2TiB"):format(policy, trace),
      "--size: '2TiB' is too large: a value has at most 1 TiB\n")
    complains(("%s %s --model 'fs: latncy=1ms'"):format(policy, trace),
      'did you mean "latency"?')
    complains(("%s %s --model 'memry: latency=1ms'"):format(policy, trace),
      'no store is called "memry"; did you mean "memory"?', 3)
    complains(("%s %s --model 'redis: latency=1ms'"):format(policy, trace),
      'no store is called "redis"', 3)
    shell.write(folder .. "/empty", "")
    complains(("%s %s/empty"):format(policy, folder), "the trace is empty", 3)
    complains(("%s %s --model 'fs latency=1ms'"):format(policy, trace),
      "is not 'STORE: latency=300us ...'")
  end)

  it("says what a word is that should be a trace and is no file", function()
    local function complains(line, text, code)
      local ran = weir("replay " .. line)
      assert.equal(code or 2, ran.code, ran.err)
      assert.equal("weir replay: " .. text .. "\n", ran.err)
      assert.equal("", ran.out)
    end
    local no_trace = "'%s' stands where a trace does, and there is no such file; "
    complains(("%s %s ram=1MiB"):format(policy, trace), no_trace:format "ram=1MiB"
      .. "write --set ram=1MiB")
    complains(("%s rma=1MiB %s"):format(policy, trace), no_trace:format "rma=1MiB"
      .. "did you mean --set ram=1MiB?")
    complains(("%s zzzzzz=1 %s"):format(policy, trace), no_trace:format "zzzzzz=1"
      .. "--set zzzzzz=1 would set a param, but the file has only hits, ram")
    complains(("memory:// %s capacty=1MiB"):format(trace),
      no_trace:format "capacty=1MiB" .. "did you mean 'memory://?capacity=1MiB'?")
    complains(("'memory://?shards=1' %s capacity=1MiB"):format(trace),
      no_trace:format "capacity=1MiB" .. "write 'memory://?shards=1&capacity=1MiB'")
    complains(("memory:// %s zzzzzz=1"):format(trace), no_trace:format "zzzzzz=1"
      .. "options of a store are part of its URL, and memory has none called zzzzzz")
    complains(("%s %s"):format(trace, policy), ("%s is a policy file: that comes "
      .. "before the traces"):format(policy))
    complains(("%s memory://"):format(policy), "'memory://' is a store, no trace")
    complains(("%s %s"):format(policy, folder), ("cannot read %s: Is a directory")
      :format(folder), 3)
  end)

  it("takes rules for stores of the file that is compared", function()
    shell.write(folder .. "/far.lua", "return redis { host = 'none' }")
    local ran = weir(("replay %s %s --speed closed=2 --model 'redis: latency=7ms' "
      .. "--compare %s/far.lua"):format(policy, trace, folder))
    assert.equal(0, ran.code, ran.err)
    assert.matches("redis: p99 of get +%- +7", ran.out)
    ran = weir(("replay %s %s --model 'rdis: latency=7ms' --compare %s/far.lua"):format(
      policy, trace, folder))
    assert.matches('no store is called "rdis"; did you mean "redis"', ran.err)
  end)

  it("compares the ages of what stores evict", function()
    shell.write(folder .. "/small.lua", "return memory { capacity = '64KiB' }")
    local ran = weir(("replay %s %s --compare %s/small.lua"):format(policy, trace,
      folder))
    assert.equal(0, ran.code, ran.err)
    assert.matches("memory: age when evicted, p50 +[%d.]+ m?s +[%d.]+ m?s", ran.out)
    assert.matches("memory: idle when evicted, p50 +[%d.]+ m?s +[%d.]+ m?s", ran.out)
    assert.matches("fs: age when evicted, p50 +[%d.]+ m?s +%- +%-", ran.out)
  end)

  describe("weir sweep", function()
    it("runs the grid, sorts by cost, marks the front", function()
      local ran = weir(("sweep %s %s ram=64KiB..256KiB hits=1,2"):format(policy, trace))
      assert.equal(0, ran.code, ran.err)
      local lines = {}
      for line in ran.out:gmatch "[^\n]+" do lines[#lines + 1] = line end
      assert.equal(7, #lines)
      assert.matches("^ +ram +hits +cost", lines[1])
      local last = 0
      for i = 2, 7 do
        local cost = tonumber(lines[i]:match "^%s*%S+%s+%S+%s+(%S+)")
        assert.is_true(cost >= last)
        last = cost
      end
      assert.matches("%*", ran.out)
    end)

    it("agrees with single runs, and costs what the expression says", function()
      local ran = weir(("sweep %s %s ram=64KiB,128KiB --json "
        .. "--cost 'memory.capacity/KiB + fs.ops.set.keys*0'"):format(policy, trace))
      assert.equal(0, ran.code, ran.err)
      local n = 0
      for line in ran.out:gmatch "[^\n]+" do
        local run = cjson.decode(line)
        local one = cjson.decode(weir(("replay %s %s --json --set ram=%s"):format(
          policy, trace, run.params.ram)).out)
        assert.equal(one.hits, run.report.hits)
        assert.equal(tonumber(run.params.ram:match "%d+"), run.cost)
        n = n + 1
      end
      assert.equal(2, n)
    end)

    it("sweeps plain memory as replay does it", function()
      local ran = weir(("sweep 'memory://?shards=1&eviction=lru' %s "
        .. "capacity=128KiB..512KiB --json --bounds"):format(trace))
      assert.equal(0, ran.code, ran.err)
      local n = 0
      for line in ran.out:gmatch "[^\n]+" do
        local run = cjson.decode(line)
        local url = ("memory://?shards=1&eviction=lru&capacity=%s"):format(
          run.params.capacity)
        assert.equal(cjson.decode(weir(("replay '%s' %s --json"):format(url,
          trace)).out).hits, run.report.hits)
        assert.is_true(run.bound.hits >= run.report.hits)
        n = n + 1
      end
      assert.equal(3, n)
    end)

    it("shows how long entries live in stores that evict", function()
      local ran = weir(("sweep %s %s ram=64KiB,64MiB"):format(policy, trace))
      assert.equal(0, ran.code, ran.err)
      assert.matches("written +memory age +fs age", ran.out)
      assert.matches("\n *64KiB [^\n]+ [%d.]+ m?s +[%d.]+ m?s", ran.out)
      assert.matches("\n *64MiB [^\n]+ %- +[%d.]+ m?s", ran.out)
    end)

    it("sweeps memory as replay does it where ops and times count", function()
      local function write(name, text)
        shell.write(folder .. "/" .. name, text)
        return folder .. "/" .. name
      end
      local timed = write("timed.csv", "time,key\n1,a\n100,a\n101,a\n")
      local aged = write("aged.csv", "time,key,ttl\n1,a,5\n100,a,5\n101,a,5\n")
      local ops = write("ops.csv",
        "key,op\na,set\na,get\na,delete\na,get\na,get\n")
      for _, case in ipairs {
        { "memory://?ttl=5s&", timed, 1 }, { "memory://?", aged, 1 },
        { "memory://?", ops .. " --requests get-or-set", 2 },
        { "memory://?", timed .. " " .. ops .. " --requests get-or-set", 4 },
      } do
        local url, rest, hits = unpack(case)
        local one = weir(("replay '%scapacity=1MiB' %s --json"):format(url, rest))
        local all = weir(("sweep '%s' capacity=1MiB %s --json"):format(
          url:sub(1, -2), rest))
        assert.equal(hits, cjson.decode(one.out).hits)
        assert.equal(hits, cjson.decode(all.out).report.hits)
      end
    end)

    it("goes on where it was stopped", function()
      local results = folder .. "/results.jsonl"
      local line = ("sweep %s %s ram=64KiB,128KiB --resume %s"):format(policy, trace,
        results)
      local first = weir(line)
      local function lines()
        local n = 0
        for _ in io.lines(results) do n = n + 1 end
        return n
      end
      assert.equal(2, lines())
      assert.equal(first.out, weir(line).out)
      assert.equal(2, lines())
      assert.equal(0, weir(line:gsub("64KiB,", "64KiB,96KiB,")).code)
      assert.equal(3, lines())
    end)

    it("keeps what it finds out after a line that was cut short", function()
      local results = folder .. "/cut.jsonl"
      local line = ("sweep %s %s ram=64KiB,128KiB --resume %s"):format(policy, trace,
        results)
      local function found()
        local file = assert(io.open(results))
        local text = file:read "*a"
        file:close()
        return text
      end
      local first = weir(line)
      shell.write(results, found():sub(1, -10))
      assert.equal(first.out, weir(line).out)
      local after = found()
      assert.equal(first.out, weir(line).out)
      assert.equal(after, found())
    end)

    it("takes no results of another trace, policy file or option", function()
      local results, copy = folder .. "/of.jsonl", folder .. "/copy.lua"
      local function resume(file, of, more)
        return weir(("sweep %s %s ram=64KiB --resume %s %s"):format(file, of, results,
          more or ""))
      end
      shell.run(("cp %s %s"):format(policy, copy))
      assert.equal(0, resume(copy, trace).code)
      local function refused(ran)
        assert.equal(2, ran.code, ran.out)
        assert.equal(("weir sweep: --resume: %s has results of another policy file, "
          .. "trace or option; give another file\n"):format(results), ran.err)
      end
      refused(resume(copy, trace .. " " .. trace))
      refused(resume(copy, trace, "--limit 10"))
      refused(resume(policy, trace))
      shell.run(("echo >> %s"):format(copy))
      refused(resume(copy, trace))
    end)

    it("says so when a file could not be written", function()
      for _, line in ipairs { "replay %q %s --plot /dev/full",
        "sweep %q %s ram=64KiB --plot /dev/full" } do
        local ran = weir(line:format(policy, trace))
        assert.equal(3, ran.code)
        assert.equal(("weir %s: /dev/full: No space left on device\n"):format(
          line:match "%l+"), ran.err)
        assert.is_true(#ran.out > 100)
      end
      local line = ("sweep %s %s ram=64KiB..4MiB --resume "):format(policy, trace)
      local code, out, err = shell.run(("sh -c 'trap \"\" XFSZ; ulimit -f 8; "
        .. "exec %s%s%s/small.jsonl'"):format(WEIR, line, folder))
      assert.equal(3, code)
      assert.equal(("weir sweep: --resume: %s/small.jsonl: File too large\n"):format(
        folder), err)
      assert.is_truthy(out:find("64KiB ", 1, true))
      assert.equal("weir sweep: --resume: /no/r: No such file or directory\n",
        weir(line .. "/no/r").err)
    end)

    it("says once that a trace cannot be read", function()
      for word, why in pairs {
        ["nofile.jsonl"] = { 3, "nofile.jsonl: No such file or directory" },
        [policy] = { 3, policy .. ": the format is not known" },
        ["-"] = { 2, "a trace is read several times: give its file, not -" },
      } do
        local ran = weir(("sweep memory:// %s capacity=1MiB,2MiB --json"):format(word))
        assert.equal(why[1], ran.code)
        assert.equal(1, select(2, ran.err:gsub("\n", "")), ran.err)
        assert.is_truthy(ran.err:find(why[2], 1, true), ran.err)
        assert.equal(why[1], cjson.decode(ran.out).exit)
      end
      local bad = folder .. "/bad.csv"
      shell.write(bad, "time,key,size\n1,a,10\nx,b,10\n")
      local ran = weir(("sweep memory:// %s capacity=1MiB --json"):format(bad))
      assert.equal(3, ran.code)
      assert.matches("bad.csv:3", cjson.decode(ran.out).error, 1, true)
    end)

    it("loses no run when one ends before a process of the others starts", function()
      local results = folder .. "/early.jsonl"
      local line = ("%ssweep %s %s ram=64KiB,128KiB --resume %s"):format(WEIR, policy,
        trace, results)
      local function part(name)
        local _, out = shell.run("WEIR_SWEEP_PART=" .. name .. " " .. line)
        return out:match '"name":"([^"]*)"', out
      end
      local first, text = part "1/2/0"
      shell.write(results, text)
      assert.equal("ram=64KiB", first)
      assert.equal("ram=128KiB", (part "2/2/0"))
      assert.equal("ram=128KiB", (part("1/1/" .. #text)))
    end)

    it("draws hit ratio over cost with both bounds", function()
      assert.equal(0, weir(("sweep memory:// %s capacity=64KiB..1MiB --bounds "
        .. "--plot %s/s.svg"):format(trace, folder)).code)
      local file = assert(io.open(folder .. "/s.svg"))
      local svg = file:read "*a"
      file:close()
      assert.equal(3, select(2, svg:gsub("<polyline", "")))
      assert.equal(5, select(2, svg:gsub("<circle", "")))
    end)

    it("says what is wrong with a grid or a cost", function()
      local function complains(line, text, code)
        local ran = weir("sweep " .. line)
        assert.equal(code or 2, ran.code)
        assert.is_truthy(ran.err:find(text, 1, true), ran.err)
        assert.equal(1, select(2, ran.err:gsub("\n", "")), ran.err)
        assert.equal("", ran.out)
      end
      complains(("%s %s"):format(policy, trace), "no parameter was given")
      complains(("%s ram=1KiB"):format(policy), "no trace was given")
      complains(("%s %s ram"):format(policy, trace), "'ram' is no file, so no trace, "
        .. "and no parameter with values, such as ram=1GiB..64GiB")
      complains(("%s %s ram ram=1MiB"):format(policy, trace), "'ram' is no file")
      complains(("%s %s ram =1MiB,2MiB"):format(policy, trace), "'ram' is no file")
      complains(("%s %s 1MiB..2MiB"):format(policy, trace), "'1MiB..2MiB' is no file, "
        .. "so no trace, and no parameter with values, such as capacity=1GiB..64GiB")
      complains(("%s %s ram="):format(policy, trace), "'ram=' has no values")
      complains(("%s %s ram=64KiB.."):format(policy, trace),
        "'64KiB..' is no range of numbers or sizes; write 1GiB..64GiB or 2..10+2")
      complains(("%s %s ram=64KiB ram=1MiB"):format(policy, trace),
        "ram is given twice; write ram=64KiB,1MiB")
      complains(("%s %s ram=1MiB..99999999TiB"):format(policy, trace),
        "'99999999TiB' is too large: a size is less than 8388608TiB")
      for range, why in pairs {
        ["4MiB..1MiB"] = "the range '4MiB..1MiB' ends below its beginning",
        ["nan..10"] = "'nan..10' is no range of numbers or sizes; write 1GiB..",
        ["1..nan"] = "'1..nan' is no range of numbers or sizes; write 1GiB..",
        ["1..10+nan"] = "'1..10+nan' is no range of numbers or sizes; write 1GiB..",
        ["1MiB..much"] = "'1MiB..much' is no range of numbers or sizes; write 1GiB..",
        ["1MiB..9MiB+0"] = "the range '1MiB..9MiB+0' needs a step over 0",
        ["0..4"] = "the range '0..4' cannot be doubled; give a step, as in 0..10+2",
      } do
        complains(("%s %s ram=%s"):format(policy, trace, range), why)
      end
      complains(("%s %s ram=64KiB --cost 'memry.capacity'"):format(policy, trace),
        'no field "memry"')
      complains(("%s %s rum=1KiB"):format(policy, trace),
        'no param is called "rum"; did you mean "ram"?')
      complains(("%s %s hits=1,two"):format(policy, trace),
        'param hits is a number, not "two"', 3)
      complains(("memory:// %s capacty=1KiB"):format(trace),
        "no option is named \"capacty\"; did you mean capacity?", 3)
      complains(("memory:// %s capacity=1MiB,lots"):format(trace), "capacity", 3)
    end)
  end)
end)
