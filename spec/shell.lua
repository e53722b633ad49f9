-- shell.lua: command lines and folders for specs.
local Shell = {}


--- quote returns a word as the shell reads it back.
function Shell.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end


local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end


--- folder makes an empty folder; the caller removes it with Shell.remove.
function Shell.folder()
  local pipe = assert(io.popen "mktemp -d")
  local path = pipe:read "*l"
  pipe:close()
  return assert(path)
end


--- ram_folder makes one in memory where there is such a place, for specs that make
--- thousands of files.
function Shell.ram_folder()
  local pipe = assert(io.popen "mktemp -d -p /dev/shm 2>/dev/null || mktemp -d")
  local path = pipe:read "*l"
  pipe:close()
  return assert(path)
end


function Shell.remove(path)
  assert(path:find "^/tmp/" or path:find "^/var/" or path:find "^/dev/shm/")
  os.execute("rm -rf " .. Shell.quote(path))
end


--- write makes a file of those bytes.
function Shell.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end


--- run runs a command line, at most so many seconds (180; then the code is 124), with
--- input on its stdin. Returns the exit code and all that it wrote.
---@return integer code, string stdout, string stderr
function Shell.run(line, input, seconds)
  local folder = Shell.folder()
  Shell.write(folder .. "/in", input or "")
  local pipe = assert(io.popen(("timeout %d sh -c %s <%s/in >%s/out 2>%s/err; echo $?")
    :format(seconds or 180, Shell.quote(line), folder, folder, folder)))
  local code = tonumber(pipe:read "*a")
  pipe:close()
  local out, err = slurp(folder .. "/out"), slurp(folder .. "/err")
  Shell.remove(folder)
  return code, out, err
end


return Shell
