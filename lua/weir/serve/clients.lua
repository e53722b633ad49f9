-- serve/clients.lua: CLIENT and its subcommands.

local bit = require "bit"
local ffi = require "ffi"
local Session = require "weir.serve.session"
local subcommands = require "weir.serve.subcommands"
local C = require("weir.ffi").C
local S = require("weir.ffi").serve()

local MUTE, SKIP = tonumber(S.WEIR_CLIENT_MUTE), tonumber(S.WEIR_CLIENT_SKIP)
local KEEP, MULTI = tonumber(S.WEIR_CLIENT_KEEP), tonumber(S.WEIR_CLIENT_MULTI)
local TLS, UNIX = tonumber(S.WEIR_CLIENT_TLS), tonumber(S.WEIR_CLIENT_UNIX)


local function has(client, flag)
  return bit.band(client.flags, flag) ~= 0
end


local function turn(client, flag, on)
  client.flags = on and bit.bor(client.flags, flag)
    or bit.band(client.flags, bit.bnot(flag))
end


local function seconds_since(ns)
  return math.floor(tonumber(C.weir_now() - ns) * 1e-9)
end


-- A client as a line of CLIENT LIST.
local function describe(server, client)
  local flags = (has(client, MULTI) and "x" or "") .. (has(client, KEEP) and "e" or "")
    .. (has(client, UNIX) and "U" or "") .. (has(client, TLS) and "s" or "")
  local row = server.rows[client.command]
  return ("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=0 "
    .. "psub=0 ssub=0 multi=%d qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 obl=0 oll=0 "
    .. "omem=%d tot-mem=%d tot-net-in=%d tot-net-out=%d tot-cmds=%d events=r cmd=%s "
    .. "user=default redir=-1 resp=%d lib-name=%s lib-ver=%s"):format(
    tonumber(client.id), ffi.string(client.address), ffi.string(client["local"]),
    client.fd, ffi.string(client.name), seconds_since(client.since_ns),
    seconds_since(client.active_ns), flags == "" and "N" or flags, client.db,
    has(client, MULTI) and client.queued or -1, tonumber(client.pending),
    tonumber(client.memory), tonumber(client.bytes_in), tonumber(client.bytes_out),
    tonumber(client.commands), row and row[1] or "NULL", client.protocol,
    ffi.string(client.library), ffi.string(client.version))
end


-- All clients, in the order in which they came.
local function each(server)
  local client
  return function()
    client = S.weir_server_clients(server.handle, client)
    return client ~= nil and client or nil
  end
end


local TYPES = {
  normal = true, master = true, replica = true, slave = true, pubsub = true,
}

-- The filters of CLIENT KILL and LIST. Each returns what is wrong with its value.
local FILTERS = {
  id = function(value)
    local id = value:match "^%d+$" and tonumber(value) or 0
    return id == 0 and "ERR client-id should be greater than 0"
  end,
  addr = function() end,
  laddr = function() end,
  user = function(value)
    return value ~= "default" and ("ERR No such user '%s'"):format(value)
  end,
  type = function(value)
    return not TYPES[value:lower()] and ("ERR Unknown client type '%s'"):format(value)
  end,
  skipme = function(value)
    local word = value:lower()
    return word ~= "yes" and word ~= "no" and "ERR syntax error"
  end,
}

-- Which clients the filters mean: { name = value }, or nil and an error.
local function read_filters(args, from)
  local filters = {}
  for i = from, #args, 2 do
    local name, value = args[i]:lower(), args[i + 1]
    local filter = FILTERS[name]
    if not filter or value == nil then return nil, "ERR syntax error" end
    local err = filter(value)
    if err then return nil, err end
    filters[name] = value
  end
  return filters
end


local function matches(client, filters)
  return (not filters.id or tonumber(filters.id) == tonumber(client.id))
    and (not filters.addr or filters.addr == ffi.string(client.address))
    and (not filters.laddr or filters.laddr == ffi.string(client["local"]))
    and (not filters.type or filters.type:lower() == "normal")
end


local Subs = {}

function Subs.id(call)
  call.out:integer(tonumber(call.client.id))
end


function Subs.info(call)
  call.out:text(describe(call.server, call.client) .. "\n")
end


function Subs.list(call)
  local filters, err = read_filters(call.args, 3)
  if not filters then return call.out:error(err) end
  local lines = {}
  for client in each(call.server) do
    if matches(client, filters) then
      lines[#lines + 1] = describe(call.server, client) .. "\n"
    end
  end
  call.out:text(table.concat(lines))
end


-- Closes clients; returns how many. The caller's own goes after its reply.
local function kill(call, filters)
  local n, own = 0, call.client.id
  local skip = (filters.skipme or "yes"):lower() == "yes"
  for client in each(call.server) do
    local mine = client.id == own
    if matches(client, filters) and not (mine and skip) then
      n = n + 1
      S.weir_server_kill(call.server.handle, client, mine and 1 or 0)
    end
  end
  return n
end


function Subs.kill(call)
  local args, out = call.args, call.out
  if #args < 3 then return out:error(subcommands.wrong_count("client", args[2])) end
  if #args == 3 then
    if kill(call, { addr = args[3], skipme = "no" }) == 0 then
      return out:error "ERR No such client"
    end
    return out:simple "OK"
  end
  local filters, err = read_filters(args, 3)
  if not filters then return out:error(err) end
  out:integer(kill(call, filters))
end


function Subs.setname(call)
  local named, err = Session.set_name(call.client, "name", call.args[3] or "")
  if not named then return call.out:error(err) end
  call.out:simple "OK"
end


function Subs.getname(call)
  local name = ffi.string(call.client.name)
  if name == "" then return call.out:null() end
  call.out:bulk(name)
end


local FIELDS = { ["lib-name"] = "library", ["lib-ver"] = "version" }

function Subs.setinfo(call)
  local field = FIELDS[(call.args[3] or ""):lower()]
  if not field or not call.args[4] then
    return call.out:error(("ERR Unrecognized option '%s'"):format(call.args[3] or ""))
  end
  local set, err = Session.set_name(call.client, field, call.args[4])
  if not set then return call.out:error(err) end
  call.out:simple "OK"
end


-- The word after a subcommand that turns something on or off.
local function on_or_off(call, flag)
  local word = (call.args[3] or ""):lower()
  if word ~= "on" and word ~= "off" then return call.out:error "ERR syntax error" end
  if flag then turn(call.client, flag, word == "on") end
  call.out:simple "OK"
end


Subs["no-evict"] = function(call) on_or_off(call, KEEP) end
Subs["no-touch"] = function(call) on_or_off(call) end


function Subs.reply(call)
  local word = (call.args[3] or ""):lower()
  if word == "on" then
    turn(call.client, MUTE, false)
    call.request.muted = 0 -- SKIP does not hide this OK
    call.out:simple "OK"
  elseif word == "off" then
    turn(call.client, MUTE, true)
  elseif word == "skip" then
    turn(call.client, SKIP, not has(call.client, MUTE))
  else
    call.out:error "ERR syntax error"
  end
end


return { client = subcommands.of("client", Subs) }
