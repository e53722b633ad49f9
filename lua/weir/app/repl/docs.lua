-- app/repl/docs.lua: the comments in our own source, for .help: those above functions,
-- and the ones that files open with.
local Docs = {}


local function lines_of(module)
  local path = package.searchpath(module, package.path)
  local lines = {}
  if not path then return lines end
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end


--- What stands above the public functions of a module: { names, by name: { arguments,
--- block } }. `pattern` captures a function's name and arguments.
function Docs.of(module, pattern)
  local docs, block = { names = {} }, {}
  for _, line in ipairs(lines_of(module)) do
    local said = line:match "^%-%-%-%s?(.*)$"
    local name, arguments = line:match(pattern)
    if said then
      block[#block + 1] = "  " .. said:gsub("^@", "")
    else
      if name and #block > 0 then
        docs.names[#docs.names + 1] = name
        docs[name] = { arguments = arguments, block = block }
      end
      block = {}
    end
  end
  return docs
end


local verbs

--- What stands above the verbs of a store, as of() tells it.
function Docs.verbs()
  if not verbs then
    verbs = Docs.of("weir.core.store", "^function Store:(%w[%w_]*)%((.*)%)")
    local many = Docs.of("weir.core.many", "^function Many:(%w[%w_]*)%((.*)%)")
    for _, name in ipairs(many.names) do
      table.insert(verbs.names, name)
      verbs[name] = many[name]
    end
  end
  return verbs
end


--- The comment that a file opens with, or nil.
function Docs.opening(module)
  local lines = {}
  for _, line in ipairs(lines_of(module)) do
    local said = line:match "^%-%-%s?(.*)$"
    if not said then break end
    lines[#lines + 1] = said
  end
  return #lines > 0 and lines or nil
end


return Docs
