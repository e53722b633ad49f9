-- serve/calls.lua: the commands that the listener hands to Lua: finds the handler,
-- gives it the arguments and a reply to write, sends what it wrote.

local ffi = require "ffi"
local Commands = require "weir.serve.commands"
local Host = require "weir.host"
local Op = require "weir.core.op"
local Resp = require "weir.serve.resp"
local S = require("weir.ffi").serve()

local Calls = {}

local FLAGS = {
  writes = S.WEIR_COMMAND_WRITES, admin = S.WEIR_COMMAND_ADMIN,
  no_auth = S.WEIR_COMMAND_NO_AUTH, unqueued = S.WEIR_COMMAND_UNQUEUED,
  ms = S.WEIR_COMMAND_MS, at = S.WEIR_COMMAND_AT, minus = S.WEIR_COMMAND_MINUS,
}

local FORMS = {
  ping = S.WEIR_FORM_PING, value = S.WEIR_FORM_VALUE, values = S.WEIR_FORM_VALUES,
  set = S.WEIR_FORM_SET, setex = S.WEIR_FORM_SETEX, mset = S.WEIR_FORM_MSET,
  count = S.WEIR_FORM_COUNT, length = S.WEIR_FORM_LENGTH, ttl = S.WEIR_FORM_TTL,
  expire = S.WEIR_FORM_EXPIRE, type = S.WEIR_FORM_TYPE, getex = S.WEIR_FORM_GETEX,
  setnx = S.WEIR_FORM_SETNX, append = S.WEIR_FORM_APPEND, incr = S.WEIR_FORM_INCR,
  multi = S.WEIR_FORM_MULTI, exec = S.WEIR_FORM_EXEC, discard = S.WEIR_FORM_DISCARD,
}


--- Registers the table of commands. server.rows has the rows by the listener's
--- numbers, server.registered the structs, which count.
function Calls.register(server)
  server.rows, server.registered, server.handlers = {}, {}, {}
  for i, row in ipairs(Commands.rows) do
    local facts = row[3]
    local c = ffi.new "struct weir_command"
    c.name, c.arity = row[1], row[2]
    c.op = facts.op and Op.number[facts.op] or 0
    local handler = Commands.handler(row, server.options.pretend_multi)
    c.form = handler and S.WEIR_FORM_HOST or FORMS[facts.form]
    for name, flag in pairs(FLAGS) do
      if facts[name] then c.flags = c.flags + flag end
    end
    local keys = facts.keys or { 0, 0, 0 }
    c.first_key, c.last_key, c.key_step = keys[1], keys[2], keys[3]
    local number = S.weir_server_command(server.handle, c)
    assert(number == i - 1, row[1])
    server.rows[number], server.registered[i] = row, c
    server.handlers[number] = handler
  end
end


-- Runs the handler of a request and sends its reply.
local function run(server, request)
  local client, args = request.client, {}
  for i = 1, request.n_args do
    args[i] = ffi.string(request.args[i - 1].data, request.args[i - 1].size)
  end
  local out = Resp.new(client.protocol)
  local call = {
    server = server, request = request, client = client, args = args, out = out,
    db = client.db,
  }
  local good, err = pcall(server.handlers[request.command], call)
  if not good and err == Host.KILLED then return end
  if not good then
    out:clear()
    out:error("ERR " .. tostring(err))
  end
  local bytes = out:bytes()
  S.weir_server_reply(server.handle, request, bytes, #bytes)
  server:done(request)
end


--- Answers a request of the listener that has no batch.
function Calls.answer(server, request)
  local waits = server.rows[request.command][3].waits
  if waits then server:work(run, request) else run(server, request) end
end


return Calls
