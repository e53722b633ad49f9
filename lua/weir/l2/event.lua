-- l2/event.lua: an fd that is readable while something waits to be fetched.

local ffi = require "ffi"
local C = require("weir.ffi").C

local Event = {}
Event.__index = Event

local EFD_NONBLOCK, EFD_CLOEXEC = 0x800, 0x80000
local number = ffi.new "uint64_t[1]"
local Handle = ffi.metatype("struct { int fd; }", {
  __gc = function(handle) if handle.fd >= 0 then C.weir_close_fd(handle.fd) end end,
})


function Event.new()
  local fd = C.weir_eventfd(0, EFD_NONBLOCK + EFD_CLOEXEC)
  if fd < 0 then error "weir: out of file descriptors" end
  return setmetatable({ handle = Handle(fd), fd = fd, on = false }, Event)
end


--- Makes the fd readable, or no longer.
function Event:set(on)
  if on == self.on or self.handle.fd < 0 then return end
  self.on = on
  number[0] = 1
  if on then
    C.weir_write(self.fd, number, 8)
  else
    C.weir_read(self.fd, number, 8)
  end
end


function Event:close()
  if self.handle.fd >= 0 then C.weir_close_fd(self.handle.fd) end
  self.handle.fd = -1
end


return Event
