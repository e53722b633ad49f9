-- What a codec costs and saves: small records that are alike, and text, stored as they
-- are, with a checksum, compressed, and compressed and encrypted. A value that is
-- damaged in the store, or copied to another key, never comes back as something else.
--
--     build/weir run examples/policies/codecs.lua
--
--     bytes                        records          text  damaged      moved
--     none                          119000       2000000  wrong value  wrong value
--     checksum                      143000       2000024  corrupt      wrong value
--     compress                      135000           238  corrupt      wrong value
--     checksum, compress            159000           262  corrupt      wrong value
--     crypt, compress               179000           282  corrupt      corrupt
--     a table of 2000: 2 pieces, 65536 bytes at most; record 7 is name7 in a
--     without a piece it is nil
--
-- Records of 119 bytes are too small to be compressed one by one: train a dictionary
-- on them (zstd --train) and set dictionary =, above = 1.
--
-- Last, a table: serialize makes JSON of it, and chunk cuts that into pieces of 64 KiB.
-- A piece that is lost makes a miss.
local weir = require "weir"

local store = weir.memory {}

local folder = assert(io.popen "mktemp -d"):read "*l"
local keys = assert(io.open(folder .. "/keys", "w"))
keys:write("1 ", ("5e"):rep(32), "\n")
keys:close()
os.execute("chmod 600 " .. folder .. "/keys")

local function none(below) return below end
local function checksum(below) return below:checksum() end
local function compress(below) return below:compress() end
local function both(below) return below:checksum():compress() end
local function crypt(below) return below:crypt(folder .. "/keys"):compress() end


local records, text = {}, ("All work and no play. "):rep(100000):sub(1, 2000000)
for i = 1, 1000 do
  records[i] = ('{"user":"name%04d","role":"reader","groups":["a%d","b"],"seen":%d,'
    .. '"language":"en","state":"active","visits":%03d}'):format(i, i % 7,
    1700000000 + i, i % 1000)
end


local function bytes_of(list)
  local sum = 0
  for _, key in ipairs(list) do sum = sum + store:stat(key).size end
  return sum
end


-- What a get makes of bytes that are not what was set.
local function outcome(tree, key, value)
  local found, err = tree:get(key)
  if err then return err.code end
  return tostring(found) == value and "right value" or "wrong value"
end


local function show(name, make)
  local tree, list = make(store), {}
  for i = 1, #records do
    list[i] = "record" .. i
    assert(tree:set(list[i], records[i]))
  end
  assert(tree:set("text", text))
  local small, large = bytes_of(list), bytes_of { "text" }

  local bytes = store:get_string "text"
  store:set("elsewhere", bytes)
  local middle = math.floor(#bytes / 2)
  store:set("text", bytes:sub(1, middle)
    .. string.char((bytes:byte(middle + 1) + 1) % 256) .. bytes:sub(middle + 2))
  print(("%-22s %13d %13d  %-11s  %s"):format(name, small, large,
    outcome(tree, "text", text), outcome(tree, "elsewhere", "")))
end


print(("%-22s %13s %13s  %-11s  %s"):format("bytes", "records", "text", "damaged",
  "moved"))
show("none", none)
show("checksum", checksum)
show("compress", compress)
show("checksum, compress", both)
show("crypt, compress", crypt)


local function pieces()
  local n, largest = 0, 0
  for key, info in store:scan { prefix = "table" } do
    n, largest = n + (key == "table" and 0 or 1), math.max(largest, info.size)
  end
  return n, largest
end

local tree, rows = store:chunk("64KiB"):checksum():serialize(), {}
for i = 1, 2000 do rows[i] = { id = i, name = "name" .. i, groups = { "a", i % 7 } } end
assert(tree:set("table", rows))
local found = tree:get "table"
local n, largest = pieces()
print(("a table of %d: %d pieces, %d bytes at most; record 7 is %s in %s"):format(
  #found, n, largest, found[7].name, found[7].groups[1]))
store:delete((store:scan { prefix = "table\0" }()))
print("without a piece it is " .. tostring(tree:get "table"))

store:close()
os.execute("rm -rf " .. folder)
