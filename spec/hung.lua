-- hung.lua: a server that hangs: it listens, and neither accepts nor answers.
local ffi = require "ffi"

ffi.cdef [[
struct spec_address { uint16_t family, port; uint8_t ip[4], zero[8]; };
int spec_socket(int, int, int) __asm__("socket");
int spec_bind(int, const struct spec_address *, unsigned) __asm__("bind");
int spec_listen(int, int) __asm__("listen");
int spec_getsockname(int, struct spec_address *, unsigned *) __asm__("getsockname");
int spec_close(int) __asm__("close");
]]

local AF_INET, STREAM_CLOEXEC = 2, 0x80001

local Hung = {}
Hung.__index = Hung


--- listen starts one on a port of 127.0.0.1, by default a free one. server.address says
--- where it is; server:close() ends it.
---@param port integer?
function Hung.listen(port)
  local fd = ffi.C.spec_socket(AF_INET, STREAM_CLOEXEC, 0)
  local wanted = bit.rshift(bit.bswap(port or 0), 16)
  local at = ffi.new("struct spec_address", AF_INET, wanted, { 127, 0, 0, 1 })
  local size = ffi.new("unsigned[1]", ffi.sizeof(at))
  assert(ffi.C.spec_bind(fd, at, ffi.sizeof(at)) == 0)
  assert(ffi.C.spec_listen(fd, 1024) == 0)
  assert(ffi.C.spec_getsockname(fd, at, size) == 0)
  port = bit.rshift(bit.bswap(at.port), 16)
  return setmetatable({ fd = fd, address = "127.0.0.1:" .. port }, Hung)
end


function Hung:close()
  ffi.C.spec_close(self.fd)
end


return Hung
