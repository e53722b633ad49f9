-- serve/ready.lua: tells others that the server is up: a pidfile, --ready-fd, systemd.

local ffi = require "ffi"
local Ffi = require "weir.ffi"

local C = Ffi.system(nil, [[
struct weir_unix_address { unsigned short family; char path[108]; };
int weir_socket(int, int, int) __asm__("socket");
long weir_sendto(int, const void *, size_t, int, const struct weir_unix_address *,
                 unsigned) __asm__("sendto");
int weir_fcntl(int, int, ...) __asm__("fcntl");
void *weir_ready_signal(int, void *) __asm__("signal");
]])

local Ready = {}

local AF_UNIX, SOCK_DGRAM, NOSIGNAL = 1, 2, 0x4000
local GETFD, SETFD, CLOEXEC = 1, 2, 1
local SIGPIPE, IGNORE = 13, ffi.cast("void *", 1)


-- A datagram to $NOTIFY_SOCKET, if there is one. @ in front: an abstract name.
local function notify(text)
  local path = os.getenv "NOTIFY_SOCKET"
  if not path or #path < 2 or #path > 107 then return end
  local address = ffi.new("struct weir_unix_address", AF_UNIX)
  ffi.copy(address.path, (path:gsub("^@", "\0")), #path)
  local fd = C.weir_socket(AF_UNIX, SOCK_DGRAM, 0)
  if fd < 0 then return end
  C.weir_sendto(fd, text, #text, NOSIGNAL, address, 2 + #path)
  Ffi.C.weir_close_fd(fd)
end


-- Raises why a file cannot be written. A file that is not there is not left behind.
local function check_pidfile(path)
  local old = io.open(path)
  if old then old:close() end
  local file, err = io.open(path, "a")
  if not file then error("--pidfile: cannot write " .. err, 0) end
  file:close()
  if not old then os.remove(path) end
end


-- The folder may have gone since the check. Clients are served all the same.
local function write_pidfile(path, pid)
  local file, err = io.open(path, "w")
  if not file then
    io.stderr:write("weir serve: --pidfile: cannot write " .. err .. "\n")
    return
  end
  file:write(pid, "\n")
  file:close()
end


--- Raises what is wrong with --pidfile or --ready-fd, before clients come. From here on
--- a reader of --ready-fd or of the log that has gone does not end the server.
function Ready.check(options)
  C.weir_ready_signal(SIGPIPE, IGNORE)
  if options.pidfile then check_pidfile(options.pidfile) end
  local fd = options.ready_fd
  if fd and C.weir_fcntl(fd, GETFD) < 0 then
    error(("--ready-fd: expected an open descriptor, and %d is not open"):format(fd), 0)
  end
end


--- Keeps --ready-fd from the processes that this one starts: who waits for its end
--- would wait for theirs.
function Ready.keep(options)
  if options.ready_fd then
    C.weir_fcntl(options.ready_fd, SETFD, ffi.new("int", CLOEXEC))
  end
end


--- Tells that clients can come.
function Ready.tell(server)
  local options = server.options
  if options.pidfile then write_pidfile(options.pidfile, server.pid()) end
  if options.ready_fd then
    Ffi.C.weir_write(options.ready_fd, "READY=1\n", 8)
    Ffi.C.weir_close_fd(options.ready_fd)
  end
  notify "READY=1"
end


--- Tells that the server ends; removes the pidfile.
function Ready.tell_stopping(server)
  notify "STOPPING=1"
  if server.options.pidfile then os.remove(server.options.pidfile) end
end


return Ready
