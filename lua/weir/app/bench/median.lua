-- app/bench/median.lua: the median of a list of numbers, which it sorts.
return function(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end
