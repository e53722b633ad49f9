-- app/repl/complete/beginning.lua: the part of every completion: names that begin as
-- typed.

--- The names of some lists that begin so, each once, sorted.
return function(prefix, ...)
  local list, seen = {}, {}
  for _, names in ipairs { ... } do
    for _, name in ipairs(names) do
      if name:sub(1, #prefix) == prefix and not seen[name] then
        seen[name] = true
        list[#list + 1] = name
      end
    end
  end
  table.sort(list)
  return list
end
