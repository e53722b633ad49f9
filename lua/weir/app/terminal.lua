-- app/terminal.lua: the terminal and the system, for the command and the session:
-- whether there is a terminal, its width, the bytes typed, and signals that a task can
-- wait for.

local bit = require "bit"
local ffi = require "ffi"
local Ffi = require "weir.ffi"

local C = Ffi.system(nil, [[
struct weir_signals { unsigned long bits[16]; };
struct weir_winsize { unsigned short rows, columns, width, height; };
int weir_isatty(int) __asm__("isatty");
long weir_read(int, void *, size_t) __asm__("read");
int weir_ioctl(int, unsigned long, ...) __asm__("ioctl");
int weir_close_fd(int) __asm__("close");
int weir_open_file(const char *, int, ...) __asm__("open");
int weir_mkdir(const char *, unsigned int) __asm__("mkdir");
int weir_sigemptyset(struct weir_signals *) __asm__("sigemptyset");
int weir_sigaddset(struct weir_signals *, int) __asm__("sigaddset");
int weir_sigprocmask(int, const struct weir_signals *, struct weir_signals *)
    __asm__("sigprocmask");
int weir_signalfd(int, const struct weir_signals *, int) __asm__("signalfd");
int weir_fcntl(int, int, ...) __asm__("fcntl");
int weir_ferror(void *) __asm__("ferror");
void *weir_signal(int, void *) __asm__("signal");
char *weir_setlocale(int, const char *) __asm__("setlocale");
char *weir_nl_langinfo(int) __asm__("nl_langinfo");
]])

local Terminal = {}

local TIOCGWINSZ = 0x5413
local SIG_BLOCK, SIG_SETMASK = 0, 2
local SFD_FLAGS = bit.bor(0x800, 0x80000) -- non-blocking, closed by exec
local LC_CTYPE, CODESET = 0, 14
local POLLIN = 1
local F_GETFD = 1
local O_RDONLY, O_WRONLY = 0, 1
local O_APPEND = bit.bor(0x1, 0x40, 0x400, 0x80000) -- write, create, exec closes

Terminal.SIGINT, Terminal.SIGCONT, Terminal.SIGWINCH = 2, 18, 28

local SIGNAL_BYTES = 128 -- of struct signalfd_siginfo; its first field is the number
local ROOM = 65536
local room = ffi.new("uint8_t[?]", ROOM)


--- Whether an fd is a terminal.
function Terminal.is(fd)
  return C.weir_isatty(fd) == 1
end


--- The columns and rows of the terminal, 80 and 24 when it does not say.
---@return integer columns, integer rows
function Terminal.size()
  local size = ffi.new "struct weir_winsize[1]"
  if C.weir_ioctl(1, TIOCGWINSZ, size) < 0 or size[0].columns < 2 then return 80, 24 end
  return size[0].columns, math.max(size[0].rows, 1)
end


--- Takes the places of stdin, stdout and stderr where they are closed, so that no file
--- of ours gets there: reading and writing them fails, as it should.
function Terminal.fill_standard()
  for fd = 0, 2 do
    if C.weir_fcntl(fd, F_GETFD) < 0 then
      C.weir_open_file("/dev/null", fd == 0 and O_WRONLY or O_RDONLY)
    end
  end
end


--- Whether all that was ever written to stdout could be.
function Terminal.written()
  return io.stdout:flush() ~= nil and C.weir_ferror(io.stdout) == 0
end


--- Lets Ctrl-C end the program as it ends others. Returns a function that makes it an
--- error again, "interrupted!", as luajit does.
function Terminal.end_by_interrupt()
  local before = C.weir_signal(Terminal.SIGINT, nil)
  return function() C.weir_signal(Terminal.SIGINT, before) end
end


--- Makes the C library read and write UTF-8, whatever LANG says.
function Terminal.use_utf8()
  C.weir_setlocale(LC_CTYPE, "")
  if ffi.string(C.weir_nl_langinfo(CODESET)) ~= "UTF-8" then
    C.weir_setlocale(LC_CTYPE, "C.UTF-8")
  end
end


--- The bytes that can be read from an fd now. "" at its end, nil when reading would
--- have to wait or failed.
---@return string?
function Terminal.read(fd)
  local n = C.weir_read(fd, room, ROOM)
  return n >= 0 and ffi.string(room, n) or nil
end


--- Blocks until an fd can be read. false when another one can be, first or instead.
---@param fd integer
---@param other integer?
---@return boolean
function Terminal.wait(fd, other)
  local fds = ffi.new("struct weir_pollfd[2]",
    { { fd, POLLIN }, { other or -1, POLLIN } })
  Ffi.C.weir_ppoll(fds, 2, nil, nil)
  return fds[1].revents == 0
end


--- Makes a folder that only its owner sees, if it is not there.
function Terminal.make_folder(path)
  C.weir_mkdir(path, tonumber("700", 8))
end


--- Makes a file that only its owner reads, if there is none.
---@return boolean made or there
function Terminal.make_private(path)
  local fd = C.weir_open_file(path, O_APPEND, ffi.cast("int", tonumber("600", 8)))
  return fd >= 0 and C.weir_close_fd(fd) == 0
end


---@class weir.Signals
local Signals = {}
Signals.__index = Signals


--- Keeps signals from interrupting. signals.fd is readable when one came.
---@param numbers integer[]
---@return weir.Signals
function Terminal.signals(numbers)
  local set, before = ffi.new "struct weir_signals[1]", ffi.new "struct weir_signals[1]"
  C.weir_sigemptyset(set)
  for _, number in ipairs(numbers) do C.weir_sigaddset(set, number) end
  C.weir_sigprocmask(SIG_BLOCK, set, before)
  local fd = C.weir_signalfd(-1, set, SFD_FLAGS)
  return setmetatable({ fd = fd, before = before }, Signals)
end


--- The number of a signal that came, or nil.
---@return integer?
function Signals:take()
  local n = C.weir_read(self.fd, room, SIGNAL_BYTES)
  return n == SIGNAL_BYTES and ffi.cast("uint32_t *", room)[0] or nil
end


--- Lets signals interrupt again.
function Signals:close()
  C.weir_close_fd(self.fd)
  C.weir_sigprocmask(SIG_SETMASK, self.before, nil)
end


return Terminal
