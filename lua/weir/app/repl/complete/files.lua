-- app/repl/complete/files.lua: the files whose paths begin so, for completion.
local ffi = require "ffi"
local Ffi = require "weir.ffi"

local C = Ffi.system(nil, [[
struct weir_glob {
  size_t count; char **paths; size_t offset; int flags; void *rest[5];
};
int weir_glob(const char *, int, void *, struct weir_glob *) __asm__("glob");
void weir_globfree(struct weir_glob *) __asm__("globfree");
]])

local Files = {}

local MARK = 2 -- a slash after folders


--- Paths that begin with a text; folders end with a slash.
---@param prefix string
---@return string[]
function Files.beginning(prefix)
  local list, found = {}, ffi.new "struct weir_glob[1]"
  local pattern = prefix:gsub("[%*%?%[\\]", "\\%0") .. "*"
  if C.weir_glob(pattern, MARK, nil, found) == 0 then
    for i = 0, tonumber(found[0].count) - 1 do
      list[i + 1] = ffi.string(found[0].paths[i])
    end
  end
  C.weir_globfree(found)
  return list
end


return Files
