-- serve/options.lua: the options of a server, as one table: the help, the manual, the
-- environment and the checks are made of it.
--
-- A row: name, kind, default in words, help. `kind` is of Kinds, or list, flag, path.
-- WEIR_SERVE_NAME in the environment stands for --name; lists have blanks between.

local Environment = require "weir.serve.environment"
local Ffi = require "weir.ffi"
local Kinds = require "weir.app.explore.kinds"
local Quantity = require "weir.core.quantity"

local Options = {}

local MOST_PROCESSES = 256

-- The least --max-value: the words of a command are arguments, too.
local LEAST_LENGTH = 64

local function zero_or(kind)
  return function(text)
    if text == "0" then return 0 end
    return Kinds[kind](text)
  end
end

local READ = {
  list = function(text)
    local list = {}
    for word in text:gmatch "%S+" do list[#list + 1] = word end
    return list
  end,
  flag = function(text)
    local said = ({ ["1"] = true, yes = true, ["true"] = true, on = true, ["0"] = false,
      no = false, ["false"] = false, off = false, [""] = false })[text:lower()]
    if said == nil then return nil, ("'%s' is neither yes nor no"):format(text) end
    return said
  end,
  path = function(text) return text end,
  mode = function(text)
    local mode = text:match "^0?[0-7][0-7][0-7]$" and tonumber(text, 8)
    if mode then return mode end
    return nil, ("'%s' is no mode; write 0600 or 0660"):format(text)
  end,
  fd = function(text)
    local n = text:match "^%d+$" and tonumber(text)
    if n then return n end
    return nil, ("'%s' is no descriptor"):format(text)
  end,
  processes = function(text)
    local n = text:match "^%d+$" and tonumber(text)
    if n and n >= 1 and n <= MOST_PROCESSES then return n end
    return nil, ("'%s' is no number of processes from 1 to %d"):format(text,
      MOST_PROCESSES)
  end,
  host = function(text)
    if text:find "^[%w.:_-]+$" then return text end
    return nil, ("'%s' is no host name or address"):format(text)
  end,
  count = Kinds.count,
  size = zero_or "size",
  length = function(text)
    local size, err = Quantity.size(text)
    if not size or size >= LEAST_LENGTH then return size, err end
    return nil, ("'%s' is less than the %d bytes that the words of commands take")
      :format(text, LEAST_LENGTH)
  end,
  time = function(text) return Quantity.seconds(text) end,
  errors = Kinds.one_of { "long", "short" },
}

Options.rows = {
  { "listen", "list", "127.0.0.1:6379", "<address>",
    "Where to listen: HOST:PORT, [IPV6]:PORT or unix:/PATH; may be repeated." },
  { "set", "list", nil, "<name>=<value>",
    "Give a param(...) of the policy files another value; may be repeated." },
  { "mode", "mode", "0600", "<mode>", "The permissions of unix sockets." },
  { "password-file", "path", nil, "<path>",
    "A file whose first line is what clients AUTH with." },
  { "admin-password-file", "path", nil, "<path>",
    "The same for CONFIG and WEIR, which others then may not use." },
  { "tls-cert", "path", nil, "<path>",
    "A certificate: TCP addresses speak TLS. SIGHUP reads it again." },
  { "tls-key", "path", nil, "<path>", "Its key, when it is in another file." },
  { "tls-ca", "path", nil, "<path>",
    "Certificates of authorities: clients must have a certificate of one." },
  { "maxclients", "count", "10000", "<n>", "Clients at most; more are refused." },
  { "max-memory-clients", "size", "256MiB", "<size>",
    "Bytes that what clients send and do not read may take; when there are more, the "
    .. "clients with most are closed. A value or reply that is nearly as long by "
    .. "itself is refused. 0: no limit." },
  { "max-value", "length", "512MiB", "<size>", "The longest argument of a command." },
  { "idle-timeout", "time", "0", "<time>",
    "Close clients that were silent for so long; 0: never." },
  { "errors", "errors", "long", "<how>",
    "short: errors are as long as the replies that LMCache's client reads, which "
    .. "otherwise goes out of step." },
  { "read-only", "flag", "no", nil, "Refuse what writes." },
  { "pretend-multi", "flag", "no", nil,
    "Let MULTI queue commands and EXEC run them one by one. It is no transaction." },
  { "processes", "processes", "1", "<n>",
    "How many processes serve. Each owns a part of the hash slots of Redis Cluster and "
    .. "listens at a port of its own: the ports that follow that of --listen." },
  { "announce", "host", nil, "<host>",
    "The host that clients of --processes are told. Without it: the address that the "
    .. "client came by." },
  { "drain", "time", "5s", "<time>",
    "After SIGTERM, how long commands under way and stores have to end." },
  { "pidfile", "path", nil, "<path>", "A file to write the process's number to." },
  { "ready-fd", "fd", nil, "<n>",
    "A descriptor to write READY=1 and a newline to, and to close, when clients can "
    .. "come. NOTIFY_SOCKET of systemd is told in any case." },
}


--- What a name becomes in Lua: max-value is max_value.
function Options.field(name)
  return (name:gsub("%-", "_"))
end


local PREFIX = "WEIR_SERVE_"

--- The variable of the environment for an option.
function Options.variable(name)
  return PREFIX .. Options.field(name):upper()
end


--- The first variable that looks like a misspelt option, and what it may mean; or nil.
--- Others that begin so are left alone: Kubernetes makes WEIR_SERVE_PORT and more for a
--- service that is named weir-serve.
function Options.misspelt()
  local known = { "STORE", "PROCESS" }
  for _, row in ipairs(Options.rows) do
    known[#known + 1] = Options.field(row[1]):upper()
  end
  for name in Environment.each() do
    local word = name:match("^" .. PREFIX .. "(.*)")
    local near = word and Ffi.nearest(word, known)
    if near and near ~= word then return name, PREFIX .. near end
  end
end


--- Reads the words of an option; nil and a sentence.
function Options.read(row, text)
  return READ[row[2]](text)
end


--- Options with the defaults of those that are not given. Beside the rows there are
--- password and admin_password, say(sentence) for the log, and of one of several
--- processes cluster: { self, n: the first is 0; run: 32 hexadecimal digits, for the
--- names of all }.
function Options.complete(options)
  local all = {}
  for _, row in ipairs(Options.rows) do
    local field = Options.field(row[1])
    all[field] = options[field]
    if all[field] == nil and row[3] then all[field] = Options.read(row, row[3]) end
  end
  for _, field in ipairs { "password", "admin_password", "cluster", "say" } do
    all[field] = options[field]
  end
  return all
end


return Options
