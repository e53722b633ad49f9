-- Runs the C programs of spec/**/*.c, built below build/spec (or WEIR_BUILD/spec,
-- where `make sanitize` has them). Exit 0: pass; 77: skip; anything else, or more
-- than four minutes: fail, with what the program wrote.
local shell = require "shell"

local build = os.getenv "WEIR_BUILD" or "build"
local seconds = tonumber(os.getenv "WEIR_SOAK" or 0) + 240

-- Programs whose processes have one thread each. ThreadSanitizer has nothing to find in
-- them, so they are not run under it.
local ONE_THREAD = {}
for name in ([[
  codec/damage codec/pieces fs/counting fs/names fs/trailers lmdb/index
  memory/hit_ratio memory/shard memory/table memory/traces runtime/look serve/hiredis
  serve/processes shm/altered shm/guarded shm/killed shm/made shm/mirrored shm/pinned
]]):gmatch "%S+" do
  ONE_THREAD["spec/" .. name] = true
end

-- Not under a sanitizer, which has memory of its own: these measure the process's.
local MEASURES = { ["spec/memory/faults"] = true, ["spec/memory/footprint"] = true }


local function is_run(program)
  local thread, address = build:find "thread$", build:find "address$"
  if thread and ONE_THREAD[program] then return false end
  return not MEASURES[program] or not (thread or address)
end


local function programs()
  local find = assert(io.popen "find spec -name '*.c' | sort")
  local list = {}
  for path in find:lines() do
    local program = path:gsub("%.c$", "")
    if not path:find "^spec/connectors/" and not path:find "^spec/fuzz/"
      and is_run(program) then
      list[#list + 1] = program
    end
  end
  find:close()
  return list
end


describe("the program", function()
  for _, program in ipairs(programs()) do
    it(program .. " passes", function()
      local line = ("%s/%s 2>&1"):format(build, program)
      local code, text = shell.run(line, nil, seconds)
      if code == 77 then
        pending(text)
      end
      assert(code == 0, ("exit %d%s\n%s"):format(
        code, code == 124 and " (out of time)" or "", text))
    end)
  end
end)
