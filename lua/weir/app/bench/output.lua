-- app/bench/output.lua: all that a line of the shell prints to stdout.
return function(line)
  local pipe = assert(io.popen(line))
  local text = pipe:read "*a"
  pipe:close()
  return text
end
