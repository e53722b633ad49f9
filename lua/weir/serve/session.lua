-- serve/session.lua: commands about the connection itself: AUTH, HELLO, SELECT and so
-- on.

local bit = require "bit"
local ffi = require "ffi"
local Ffi = require "weir.ffi"
local C, S = Ffi.C, Ffi.serve()

local Time = Ffi.system(nil, [[
struct weir_timeval { long seconds, microseconds; };
int weir_gettimeofday(struct weir_timeval *, void *) __asm__("gettimeofday");
]])

local Session = {}

local USER, ADMIN = tonumber(S.WEIR_CLIENT_USER), tonumber(S.WEIR_CLIENT_ADMIN)
local CLOSE = tonumber(S.WEIR_CLIENT_CLOSE)
local KEPT = tonumber(S.WEIR_CLIENT_TLS + S.WEIR_CLIENT_UNIX)


-- Whether two strings are equal, in a time that tells nothing about where they differ.
local function equal(a, b)
  local different = bit.bxor(#a, #b)
  for i = 1, #a do
    different = bit.bor(different, bit.bxor(a:byte(i), b:byte((i - 1) % #b + 1) or 0))
  end
  return different == 0
end


-- Logs in; false: the password is wrong.
local function log_in(call, user, password)
  local options = call.server.options
  if user ~= "default" and user ~= "admin" then return false end
  -- Without any password the user default may have whichever a client sends.
  if not options.password and not options.admin_password then
    return user == "default"
  end
  if options.admin_password and equal(password, options.admin_password) then
    call.client.flags = bit.bor(call.client.flags, USER, ADMIN)
    return true
  end
  if user == "admin" or not options.password then return false end
  if not equal(password, options.password) then return false end
  call.client.flags = bit.bor(bit.band(call.client.flags, bit.bnot(ADMIN)), USER,
    options.admin_password and 0 or ADMIN)
  return true
end


local WRONG = "WRONGPASS invalid username-password pair or user is disabled."

function Session.auth(call)
  local args, out = call.args, call.out
  if #args > 3 then return out:error "ERR syntax error" end
  local options = call.server.options
  if not options.password and not options.admin_password and #args == 2 then
    return out:error("ERR AUTH <password> called without any password configured for "
      .. "the default user. Are you sure your configuration is correct?")
  end
  local user, password = #args == 3 and args[2] or "default", args[#args]
  if log_in(call, user, password) then return out:simple "OK" end
  out:error(WRONG)
end


--- Gives a client a name; nil and why not.
function Session.set_name(client, field, name)
  if name:find "[^!-~]" then
    return nil,
      "ERR Client names cannot contain spaces, newlines or special characters."
  end
  local most = ffi.sizeof(client[field]) - 1
  if #name > most then
    return nil, ("ERR a name has at most %d bytes"):format(most)
  end
  ffi.copy(client[field], name)
  return true
end


-- What HELLO's options say: { auth = { user, password }, name = }, or nil and an error.
local function hello_options(args)
  local said, i = {}, 3
  while i <= #args do
    local word = args[i]:lower()
    if word == "auth" and i + 2 <= #args then
      said.auth, i = { args[i + 1], args[i + 2] }, i + 3
    elseif word == "setname" and i + 1 <= #args then
      said.name, i = args[i + 1], i + 2
    else
      return nil, ("ERR Syntax error in HELLO option '%s'"):format(args[i])
    end
  end
  return said
end


local function greet(call)
  local out, client = call.out, call.client
  out:map(7)
  out:bulk "server"
  out:bulk "redis"
  out:bulk "version"
  out:bulk(call.server.REDIS_VERSION)
  out:bulk "proto"
  out:integer(client.protocol)
  out:bulk "id"
  out:integer(tonumber(client.id))
  out:bulk "mode"
  out:bulk(call.server.options.cluster and "cluster" or "standalone")
  out:bulk "role"
  out:bulk "master"
  out:bulk "modules"
  out:array(0)
end


function Session.hello(call)
  local args, out, client = call.args, call.out, call.client
  local protocol = args[2] and tonumber(args[2])
  if args[2] and not (args[2]:match "^%d+$") then
    return out:error "ERR Protocol version is not an integer or out of range"
  end
  if protocol and protocol ~= 2 and protocol ~= 3 then
    return out:error "NOPROTO unsupported protocol version"
  end
  local said, err = hello_options(args)
  if not said then return out:error(err) end
  if said.auth and not log_in(call, said.auth[1], said.auth[2]) then
    return out:error(WRONG)
  end
  if bit.band(client.flags, USER) == 0 then
    return out:error("NOAUTH HELLO must be called with the client already "
      .. "authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be "
      .. "used to authenticate the client and select the RESP protocol version at the "
      .. "same time")
  end
  if said.name then
    local named, why = Session.set_name(client, "name", said.name)
    if not named then return out:error(why) end
  end
  client.protocol = protocol or client.protocol
  out.three = client.protocol == 3
  greet(call)
end


function Session.quit(call)
  call.client.flags = bit.bor(call.client.flags, CLOSE)
  call.out:simple "OK"
end


function Session.reset(call)
  local client = call.client
  client.db, client.protocol, client.name[0] = 0, 2, 0
  local kept = bit.band(client.flags, KEPT)
  client.flags = bit.bor(call.server.limits.open, kept)
  call.out.three = false
  call.out:simple "RESET"
end


function Session.unwatch(call)
  call.out:simple "OK"
end


function Session.echo(call)
  call.out:bulk(call.args[2])
end


Session["select"] = function(call)
  local n = call.args[2]:match "^%d+$" and tonumber(call.args[2])
  if not n then
    return call.out:error "ERR value is not an integer or out of range"
  end
  if n >= #call.server.stores then
    return call.out:error "ERR DB index is out of range"
  end
  call.client.db = n
  call.out:simple "OK"
end


function Session.time(call)
  local now = ffi.new "struct weir_timeval[1]"
  Time.weir_gettimeofday(now, nil)
  call.out:array(2)
  call.out:bulk(("%d"):format(tonumber(now[0].seconds)))
  call.out:bulk(("%d"):format(tonumber(now[0].microseconds)))
end


function Session.role(call)
  call.out:array(3)
  call.out:bulk "master"
  call.out:integer(0)
  call.out:array(0)
end


function Session.lolwut(call)
  call.out:text(("weir ver. %s\n"):format(ffi.string(C.weir_version())))
end


return Session
