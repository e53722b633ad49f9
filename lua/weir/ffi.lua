-- ffi.lua: the only file that declares and loads C. It finds libweir.so, feeds
-- the part of weir.h between the cdef marks to LuaJIT, and refuses a library
-- that was built from another header. Everything under lua/weir stands on it.

local ffi = require "ffi"

local Ffi = {}

-- What the structs are called in the order in which weir_layout measures them.
local LAYOUT = {
  "value", "item", "scan_entry", "batch", "error", "op_stats", "store_stats",
  "gauge", "option", "connector_info", "status_info", "prefix", "op_info", "event",
  "evicted", "guard_key", "evicted_ages",
}

-- What is needed of libc, under names of our own: whoever embeds weir may have
-- declared the same with other types.
local LIBC = [[
struct weir_pollfd { int fd; short events, revents; };
struct weir_timespec { long seconds, nanoseconds; };
int weir_memcmp(const void *, const void *, size_t) __asm__("memcmp");
int weir_getpid(void) __asm__("getpid");
int weir_kill(int, int) __asm__("kill");
int weir_fflush(void *) __asm__("fflush");
int weir_eventfd(unsigned, int) __asm__("eventfd");
long weir_read(int, void *, size_t) __asm__("read");
long weir_write(int, const void *, size_t) __asm__("write");
int weir_close_fd(int) __asm__("close");
int weir_ppoll(struct weir_pollfd *, unsigned long, const struct weir_timespec *,
               const void *) __asm__("ppoll");
]]


local function readable(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end


local function first_readable(what, paths)
  for _, path in ipairs(paths) do
    if readable(path) then return path end
  end
  error("weir: cannot find " .. what .. "; looked at " .. table.concat(paths, ", "), 0)
end


-- The folder that holds lua/weir (a source tree) or share/lua/5.1/weir (an
-- installed one), and whether it is installed.
local function locate()
  local here = debug.getinfo(1, "S").source:gsub("^@", "")
  local folder = here:match "^(.*)/[^/]*$" or "."
  local prefix = folder:match "^(.*)/share/lua/5%.1/weir$"
  return prefix or folder .. "/../..", prefix ~= nil
end


local ROOT, INSTALLED = locate()


local function find_library(name, override)
  local given = override and os.getenv(override)
  if given then return first_readable(override .. "=" .. given, { given }) end
  if not INSTALLED then return first_readable(name, { ROOT .. "/build/" .. name }) end
  return first_readable(name, { ROOT .. "/lib/" .. name, ROOT .. "/lib64/" .. name })
end


-- `folder` is that of the header below runtime/ in a source tree.
local function declare(name, folder)
  local installed = name == "weir.h" and "/include/" or "/include/weir/"
  local source = "/runtime/" .. (folder or "")
  local path = ROOT .. (INSTALLED and installed or source) .. name
  local file = assert(io.open(first_readable(name, { path }), "rb"))
  local text = file:read "*a"
  file:close()
  local body = text:match "cdef: begin.-%*/(.-)/%* cdef: end"
  if not body then error("weir: " .. path .. " has no cdef marks", 0) end
  ffi.cdef(body)
end


local function check_layout(C, path)
  local sizes = ffi.new("uint32_t[?]", #LAYOUT)
  local abi = C.weir_layout(sizes, #LAYOUT)
  if abi ~= C.WEIR_ABI then
    error(("weir: %s has ABI %d, weir.h declares %d: build both from one tree")
      :format(path, abi, tonumber(C.WEIR_ABI)), 0)
  end
  for i, name in ipairs(LAYOUT) do
    local mine = ffi.sizeof("struct weir_" .. name)
    if sizes[i - 1] ~= mine then
      error(("weir: %s says that struct weir_%s has %d bytes, weir.h says %d: "
        .. "build both from one tree"):format(path, name, sizes[i - 1], mine), 0)
    end
  end
end


-- connectors/lua says which library it runs in: there is one runtime in a process.
local function load_core()
  declare "weir.h"
  ffi.cdef(LIBC)
  local path = package.loaded["weir.library"]
    or find_library("libweir.so", "WEIR_LIB")
  local C = ffi.load(path)
  check_layout(C, path)
  return C, path
end


Ffi.C, Ffi.library = load_core()


local loop_library

--- The libev shim; loaded at the first call, so that hosts with a loop of their
--- own need no libev.
function Ffi.loop()
  if not loop_library then
    declare "loop.h"
    loop_library = ffi.load((Ffi.library:gsub("libweir%.so.*$", "libweir-ev.so")))
  end
  return loop_library
end


local serve_library

--- The RESP listener; loaded at the first call.
function Ffi.serve()
  if not serve_library then
    declare("serve.h", "serve/")
    local path = Ffi.library:gsub("libweir%.so.*$", "libweir-serve.so")
    local S, sum = ffi.load(path), 0
    for _, name in ipairs { "command", "client", "argument", "request",
      "fast_path", "server_limits", "server_stats" } do
      sum = sum + ffi.sizeof("struct weir_" .. name)
    end
    if S.weir_server_layout() ~= sum then
      error("weir: " .. path .. " and serve.h differ: build both from one tree", 0)
    end
    serve_library = S
  end
  return serve_library
end


local codec_library

--- The codecs; loaded at the first call.
function Ffi.codec()
  if not codec_library then
    declare("codec.h", "codec/")
    codec_library = ffi.load((Ffi.library:gsub("libweir%.so.*$", "libweir-codec.so")))
  end
  return codec_library
end


--- Declares further structs, or functions of libweir that are not in weir.h: those of
--- connector.h, for the connector that runs Lua.
---@param declarations string
function Ffi.declare(declarations)
  ffi.cdef(declarations)
end


--- A system library with these of its functions declared: the first of `names` that
--- is there, or libc.
---@param names string[]?
---@param declarations string
function Ffi.system(names, declarations)
  ffi.cdef(declarations)
  if not names then return ffi.C end
  for _, name in ipairs(names) do
    local found, library = pcall(ffi.load, name)
    if found then return library end
  end
  error("weir: cannot load " .. table.concat(names, ", nor "), 0)
end


--- The one of `words` that is nearest to `word`, or nil when none is near.
---@param word string
---@param words string[]
---@return string?
function Ffi.nearest(word, words)
  local list = ffi.new("const char *[?]", #words, words)
  local found = Ffi.C.weir_nearest(word, list, #words)
  return found ~= nil and ffi.string(found) or nil
end


--- "; did you mean X?", or nothing when no known word is near.
---@param word any
---@param words string[]
---@return string
function Ffi.suggest(word, words)
  local near = type(word) == "string" and Ffi.nearest(word, words)
  return near and ("; did you mean %q?"):format(near) or ""
end


return Ffi
