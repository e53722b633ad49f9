-- The formats of traces: found by their beginnings, read as streams, bad lines named.

local Source = require "weir.replay.source"
local ffi = require "ffi"
local shell = require "shell"

describe("a trace", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function write(name, text)
    shell.write(folder .. "/" .. name, text)
    return folder .. "/" .. name
  end

  local function read(path, opts)
    local source = Source.open({ path }, opts)
    local found, list = source.found, {}
    for request in function() return source:next() end do list[#list + 1] = request end
    source:close()
    return list, found, source
  end

  it("of Mooncake has a key for each hash id, times in ms, 512 tokens a key", function()
    local path = write("m.jsonl", '{"timestamp": 1500, "input_length": 600, '
      .. '"output_length": 3, "hash_ids": [7, 8]}\n'
      .. '{"timestamp": 2000, "hash_ids": []}\n')
    local list, found = read(path)
    assert.equal("mooncake", found.name)
    assert.is_true(found.prefix)
    assert.is_false(found.recorded)
    assert.same({ time = 1.5, op = "get", n = 2, keys = { "7", "8" }, tokens = 512 },
      list[1])
    assert.equal(0, list[2].n)
  end)

  it("of Bailian hits a block only behind the same prefix", function()
    local function line(ids)
      return ('{"chat_id": 1, "parent_chat_id": -1, "timestamp": 2, "type": "text", '
        .. '"turn": 1, "hash_ids": [%s]}\n'):format(ids)
    end
    local list, found = read(write("b.jsonl", line "1, 2, 3" .. line "1, 2, 9"
      .. line "4, 2, 3"))
    assert.equal("bailian", found.name)
    local a, b, c = list[1].keys, list[2].keys, list[3].keys
    assert.same({ a[1], a[2] }, { b[1], b[2] })
    assert.are_not.equal(a[3], b[3])
    assert.are_not.equal(a[2], c[2])
    assert.are_not.equal(a[3], c[3])
    assert.equal(16, list[1].tokens)
  end)

  it("of LMCache keeps all digits of a hash, and keeps models apart", function()
    local list, found = read(write("l.jsonl", '{"timestamp": 3.5, "request_id": "r", '
      .. '"model": "m", "chunk_size": 256, "seq_len": 512, '
      .. '"chunk_hashes": [18446744073709551615, 18446744073709551614]}\n'))
    assert.equal("lmcache", found.name)
    assert.same({ "m@18446744073709551615", "m@18446744073709551614" }, list[1].keys)
    assert.equal(256, list[1].tokens)
  end)

  it("of an LLM service may have blanks and quotes in its lines", function()
    local lines = {
      '{"timestamp":27482,"hash_ids":[18446744073709551615,2]}',
      '{ "hash_ids" : [ "18446744073709551615" , "2" ],  "timestamp" : "27482.0" }',
      '{"text": "timestamp", "hash_ids":  [18446744073709551615 ,  2 ], '
        .. '"timestamp": 2.7482e4}',
      '{"timestamp": -5, "hash_ids": [ ]}',
    }
    local list = read(write("odd.jsonl", table.concat(lines, "\r\n") .. "\r\n"),
      { format = "mooncake" })
    for i = 1, 3 do
      assert.same({ time = 27.482, op = "get", n = 2, tokens = 512,
        keys = { "18446744073709551615", "2" } }, list[i])
    end
    assert.same({ time = -0.005, op = "get", n = 0, tokens = 512, keys = {} }, list[4])
  end)

  it("of an LLM service keeps apart ids that look alike", function()
    local ids = { "7", "65543", "131079", "007", "7", "0", "00", "-7", "7.0", "7e0",
      "999999999999999", "9999999999999999", "9007199254740993", "9007199254740992" }
    local lines = {}
    for i = 1, #ids do
      lines[i] = ('{"timestamp": %d, "hash_ids": [%s]}\n'):format(i, ids[i])
    end
    lines[#lines + 1] = ('{"timestamp": 99, "hash_ids": [%s]}\n'):format(
      table.concat(ids, ", "))
    local list = read(write("alike.jsonl", table.concat(lines)))
    for i, id in ipairs(ids) do assert.same({ id }, list[i].keys) end
    assert.same(ids, list[#ids + 1].keys)
  end)

  it("of an LLM service fills requests again when that many are not in use", function()
    local path = write("again.jsonl", '{"timestamp": 1, "hash_ids": [1, 2, 3]}\n'
      .. '{"timestamp": 2, "hash_ids": [4]}\n{"timestamp": 3}\n'
      .. '{"timestamp": 4, "hash_ids": [5, 6]}\n{"timestamp": 5, "hash_ids": [7]}\n')
    local source = Source.open({ path }, { skip_bad = true }, 1)
    local seen, texts = {}, {}
    local function text(request)
      assert.equal(request.n, #request.keys)
      return ("%g: %s"):format(request.time, table.concat(request.keys, " "))
    end
    for request in source.next, source do
      if #seen > 0 then assert.equal(texts[#seen], text(seen[#seen])) end
      seen[#seen + 1], texts[#texts + 1] = request, text(request)
    end
    source:close()
    assert.same({ "0.001: 1 2 3", "0.002: 4", "0.004: 5 6", "0.005: 7" }, texts)
    assert.equal(seen[1], seen[3])
    assert.equal(seen[2], seen[4])
  end)

  it("of libCacheSim has 24 bytes a request, also packed by a tool", function()
    local Record = ffi.typeof [[struct __attribute__((packed)) {
      uint32_t time; uint64_t id; uint32_t size; int64_t next; }]]
    local records = ffi.new(ffi.typeof("$[3]", Record), {
      { 5, 42, 100, 7 }, { 6, 0xffffffffffffffffULL, 4096, -1 }, { 7, 42, 100, -1 } })
    local path = write("t.oracleGeneral.bin", ffi.string(records, 72))
    assert(os.execute(("zstd -qf %s && gzip -kf %s && xz -kf %s"):format(path, path,
      path)))
    local bare = write("bare", ffi.string(records, 72))
    assert(os.execute(("cp %s.zst %s/packed"):format(path, folder)))
    for _, name in ipairs { path, path .. ".zst", path .. ".gz", path .. ".xz", bare,
      folder .. "/packed" } do
      local list, found = read(name)
      assert.equal("oracle", found.name)
      assert.equal(3, #list)
      assert.same({ time = 5, op = "get", n = 1, keys = { "42" }, size = 100 }, list[1])
      assert.equal("xffffffffffffffff", list[2].keys[1])
    end
  end)

  it("of other binary records is not taken for libCacheSim's", function()
    local keys = {}
    for i = 1, 100 do keys[i] = ("\0\0\0%c"):format(i) end
    assert.error_matches(function() read(write("int32", table.concat(keys))) end,
      "int32: the format is not known; %-%-format is one of")
  end)

  it("that comes packed on stdin says how to unpack it", function()
    local path = write("s.csv", "time,key,size\n1,a,10\n")
    local line = "gzip -c " .. path .. " | build/weir replay memory:// -"
    local _, _, err = shell.run(line)
    assert.equal("weir replay: stdin is a pipe of packed bytes: write gzip -dc | "
      .. "weir ... -\n", err)
  end)

  it("that is cut short or packed badly is an error", function()
    local path = write("cut.oracleGeneral", ("x"):rep(30))
    local _, err = pcall(read, path)
    assert.matches("cut.oracleGeneral:2: the last record has 6 bytes of 24", err, 1,
      true)
    assert.error_matches(function() read(write("no.zst", "not zstd")) end,
      "zstd ended with code 1")
    assert.error_matches(function() read(folder .. "/none") end, "No such file")
  end)

  -- The mark of the tool's end may lie anywhere in the pieces that are read.
  it("of any length is unpacked to its last byte, and no further", function()
    local PIECE = 256 * 1024
    local path = folder .. "/cut.csv"
    local head = "key\n" .. ("a key of a line of 32 characters\n"):rep(7900)
    for size = PIECE - 2, PIECE + 96 do
      shell.write(path, head .. ("x"):rep(size - #head))
      assert(os.execute("gzip -kf1 " .. path) == 0)
      local source, last, n = Source.open({ path .. ".gz" }), nil, 0
      for request in function() return source:next() end do
        n, last = n + 1, request.keys[1]
      end
      source:close()
      assert.same({ size, 7901, size - #head }, { size, n, #last })
    end
  end)

  it("that is cut short is an error at any length", function()
    local path = folder .. "/short.csv"
    for size = 262100, 262220, 8 do
      shell.write(path, "key\n" .. ("k\n"):rep(size / 2))
      assert(os.execute(("gzip -kf1 %s && truncate -s -3 %s.gz"):format(path,
        path)) == 0)
      assert.error_matches(function() read(path .. ".gz") end, "gzip ended with code 1")
    end
  end)

  it("with a line of many pieces copies the pieces once", function()
    local size = 16 * 2 ^ 20
    local path = write("line.csv", "key\n" .. ("x"):rep(size) .. "\n")
    local source = Source.open { path }
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    assert.equal(size, #source:next().keys[1])
    local bytes = (collectgarbage "count" - before) * 1024
    collectgarbage "restart"
    source:close()
    assert.is_true(bytes < 6 * size, ("%d bytes"):format(bytes))
  end)

  it("of CacheLib's kv has its columns in any order and repeats by op_count", function()
    local list, found = read(write("kv.csv",
      "key,op,size,op_count,key_size,op_time,ttl\n"
      .. "a,GET,10,2,1,9,0\nb,SET_LEASE,20,1,1,9,60\nc,DELETE,0,1,1,10,0\n"))
    assert.is_true(found.recorded)
    assert.equal(4, #list)
    assert.same({ "get", "get", "set", "delete" }, { list[1].op, list[2].op, list[3].op,
      list[4].op })
    assert.equal(60, list[3].ttl)
    assert.is_nil(list[1].ttl)
  end)

  it("of CacheLib's blocks knows chunks that are read and written", function()
    local list = read(write("block.csv", "op_time,block_id,io_size,op_name,op_count\n"
      .. "1,x-1,100,getChunkData.NotInitialized,1\n2,x-1,100,putChunk.Permanent,1\n"))
    assert.same({ "get", "set" }, { list[1].op, list[2].op })
    assert.equal(100, list[2].size)
  end)

  it("of Twitter is known without names of columns", function()
    local list, found = read(write("tw", "0,keyA,4,100,3,get,0\n"
      .. "1,keyB,4,7,3,set,300\n"))
    assert.equal("csv", found.name)
    assert.same({ "keyA", 100 }, { list[1].keys[1], list[1].size })
    assert.same({ "set", 300 }, { list[2].op, list[2].ttl })
  end)

  it("of any csv is read by --columns, as a list or by names", function()
    local bare = write("bare.csv", "1,9,k\n")
    local first = read(bare, { format = "csv", columns = "time,size,key" })[1]
    assert.equal("k", first.keys[1])
    local named = write("named.csv", "when,what,bytes\n4,k,12\n")
    local list = read(named, { format = "csv",
      columns = "time=when,key=what,size=bytes" })
    assert.same({ time = 4, op = "get", n = 1, keys = { "k" }, size = 12 }, list[1])
    assert.error_matches(function()
      read(bare, { format = "csv", columns = "time,kex" })
    end, 'there is no column "kex"; did you mean "key"?', 1, true)
  end)

  it("of any csv has numbers as tonumber reads them", function()
    local texts = { "0", "1.5", "1e3", "0x10", " 7", "007", "", "12x", "1.", "-0",
      "0.1000000000000000055511151231257827", "9007199254740993", "1 2", ".5", ".",
      "1.2.3", "2.675", "0.1", "999999999999999", "9999999999999999", "00.30", "1e",
      "4,", "1234567.8901234" }
    for i = 1, 500 do
      local x = i * 7919.12345678 / 2 ^ (i % 30)
      texts[#texts + 1] = ("%." .. i % 9 .. "f"):format(x)
    end
    local lines = { "time,key,size" }
    for i, text in ipairs(texts) do lines[i + 1] = ("%d,k,%s"):format(i, text) end
    lines[#lines + 1] = "9,k" -- no size at all
    local path = write("numbers.csv", table.concat(lines, "\n") .. "\n")
    local list, _, source = read(path, { skip_bad = true })
    local at = 0
    for _, text in ipairs(texts) do
      local x = tonumber((text:gsub(",$", "")))
      if text == "" or x and x >= 0 and x <= 2 ^ 40 then
        at = at + 1
        assert.equal(x, list[at].size)
      end
    end
    assert.equal(#list, at + 1)
    assert.equal(#texts - at, source:bad_lines())
    assert.is_nil(list[#list].size)
  end)

  it("of any csv names the line of a number that is none or too large", function()
    local function err_of(column, field)
      local path = write("no.csv", ("key,%s\na,1\nb,%s\n"):format(column, field))
      local good, err = pcall(read, path)
      assert.is_false(good, column .. " " .. field)
      return (err:gsub("^.*no%.csv:3: ", ""))
    end
    local goes_on = " (--skip-bad goes on and counts)"
    for _, bad in ipairs { "x", "-5", "nan", "inf", "1e23", "1099511627777" } do
      assert.equal(('the size is %q: expected a number of bytes, at most 1 TiB%s')
        :format(bad, goes_on), err_of("size", bad))
    end
    for _, bad in ipairs { "x", "nan", "inf", "1e400" } do
      assert.equal(('the time is %q: expected a number%s'):format(bad, goes_on),
        err_of("time", bad))
    end
    assert.equal("no time" .. goes_on, err_of("time", ""))
    for _, bad in ipairs { "x", "nan", "1e23", "4294967296" } do
      assert.equal(('the op_count is %q: expected a number, at most 4294967295%s')
        :format(bad, goes_on), err_of("op_count", bad))
    end
    for _, bad in ipairs { "x", "nan", "1e23" } do
      assert.equal(('the ttl is %q: expected a number of seconds, at most 9223372036%s')
        :format(bad, goes_on), err_of("ttl", bad))
    end
  end)

  it("of any csv may leave a size, a ttl and a count open", function()
    local list = read(write("open.csv", "key,size,ttl,op_count\na,,,\nb,-,-,-\nc\n"))
    for i = 1, 3 do
      assert.same({ false, false }, { list[i].size or false, list[i].ttl or false })
    end
    assert.equal(3, #list)
  end)

  it("of any csv fills requests again when that many are not in use", function()
    local path = write("again.csv", "key,op_count,size\na,2,1\nb,1,\nc,1,3\nd,1,4\n")
    local source = Source.open({ path }, nil, 2)
    local seen, texts = {}, {}
    for request in source.next, source do
      seen[#seen + 1] = request
      texts[#texts + 1] = request.keys[1] .. tostring(request.size)
    end
    source:close()
    assert.same({ "a1", "a1", "bnil", "c3", "d4" }, texts)
    assert.equal(seen[1], seen[5])
    assert.same({ "b", "c" }, { seen[3].keys[1], seen[4].keys[1] })
  end)

  it("fills no request of a sample again that is in use", function()
    local lines = { "key,size" }
    for i = 1, 400 do lines[#lines + 1] = ("key-%d,%d"):format(i, i) end
    local path = write("sampled.csv", table.concat(lines, "\n") .. "\n")
    local source = Source.open({ path }, { sample = 0.1 }, 8)
    local seen, texts = {}, {}
    for request in source.next, source do
      seen[#seen + 1], texts[#texts + 1] = request, request.keys[1]
      if #seen == 8 then break end
    end
    source:close()
    for i, request in ipairs(seen) do assert.equal(texts[i], request.keys[1]) end
    assert.equal(8, #seen)
  end)

  it("of weir names the line of a size or a time that cannot be", function()
    local head = require("weir.replay.formats.weir").HEAD .. "\n"
    for _, row in ipairs { "1,1,set,k,99999999999999999999999,,ok,",
      "1,1,set,k,1099511627777,,ok,", "1.2.3,1,set,k,10,,ok,",
      "1,1,set,k,10,1.2.3,ok," } do
      local path = write("no.rec", head .. "1,1,set,k,10,,ok,\n" .. row .. "\n")
      local good, err = pcall(read, path)
      assert.is_false(good, row)
      assert.matches("no.rec:3: not a line of a recording", err, 1, true)
    end
  end)

  it("may begin with the mark of UTF-8, as spreadsheets write it", function()
    local mark = "\239\187\191"
    for _, case in ipairs { { "key,time\na,5\n", 5 }, { "time,key\n5,a\n", 5 },
      { '{"timestamp": 5000, "hash_ids": [1]}\n', 5 } } do
      local list = read(write("marked", mark .. case[1]))
      assert.same({ case[2], 1 }, { list[1].time, list[1].n })
    end
    -- Three bytes of a binary trace are no mark.
    local record = mark .. "\0" .. ("\1"):rep(12) .. ("\255"):rep(8)
    local list, found = read(write("binary", record))
    assert.same({ "oracle", 0xbfbbef }, { found.name, list[1].time })
  end)

  it("of an LLM service names the line of a time that is none", function()
    local path = write("inf.jsonl", '{"timestamp": 1, "hash_ids": [1]}\n'
      .. '{"timestamp": 1e400, "hash_ids": [1]}\n')
    local good, err = pcall(read, path)
    assert.is_false(good)
    assert.matches("inf.jsonl:2: no number timestamp", err, 1, true)
  end)

  it("names a bad line, or goes on and counts it", function()
    local path = write("bad.jsonl", '{"timestamp": 1, "hash_ids": [1]}\n{"timest\n'
      .. '{"timestamp": 2, "hash_ids": [2]}\n')
    local late = write("late.jsonl", '{"timestamp": 1e999, "hash_ids": [1]}\n')
    assert.error_matches(function() read(late) end, "no number timestamp")
    local _, err = pcall(read, path)
    assert.matches("bad.jsonl:2: no JSON object (--skip-bad goes on and counts)", err,
      1, true)
    local list, _, source = read(path, { skip_bad = true })
    assert.equal(2, #list)
    assert.equal(1, source:bad_lines())
  end)

  it("of no known format asks for one, and a format is suggested", function()
    local path = write("what.txt", "hello world\n")
    assert.error_matches(function() read(path) end, "the format is not known")
    assert.error_matches(function() read(path, { format = "mooncacke" }) end,
      'did you mean "mooncake"?', 1, true)
  end)

  it("is skipped and limited in requests, over several files", function()
    local path = write("many.csv", "time,key\n1,a\n2,b\n3,c\n")
    local source = Source.open({ path, path }, { skip = 2, limit = 3 })
    local keys = {}
    for request in function() return source:next() end do
      keys[#keys + 1] = request.keys[1]
    end
    assert.same({ "c", "a", "b" }, keys)
  end)

  it("of millions of lines is read in constant memory", function()
    local path = folder .. "/long.csv"
    assert(os.execute(("seq 1000000 | awk 'BEGIN { print \"time,key\" } { print $1 "
      .. "\",key\" $1 }' > %s"):format(path)))
    local source, n, most = Source.open({ path }, {}), 0, 0
    collectgarbage()
    local before = collectgarbage "count"
    while source:next() do
      n = n + 1
      if n % 50000 == 0 then
        collectgarbage()
        most = math.max(most, collectgarbage "count" - before)
      end
    end
    source:close()
    assert.equal(1000000, n)
    assert.is_true(most < 4096, most .. " KiB")
  end)
end)
