-- loading/fetch.lua: the verbs fetch and fetch_many: get, and load what is missing with
-- a function. They are methods of every store. state.lua says how stale values are
-- held, load.lua how callers share a load.
--
-- A value is fresh for ttl seconds. Then, for stale_while seconds, callers get it at
-- once and one task loads in the background. For stale_if_error seconds a caller loads,
-- and gets the old value if the loader fails. After that failure all callers get it for
-- a second, without another attempt. Use the same options for a key everywhere.
--
-- The loader's nil is an absent value, remembered for neg_ttl. Its errors are not
-- remembered: the callers that wait for the load get the error, the next one loads
-- again. If the store itself fails to read, fetch loads, too.

local answer = require "weir.loading.answer"
local check_method = require "weir.core.method"
local host = require "weir.host"
local Options = require "weir.core.options"
local Request = require "weir.core.request"
local status = require "weir.core.status"
local Value = require "weir.core.value"

local Fetch = {}

-- Seconds that a call may take, unless told otherwise.
local TIMEOUT = 5

-- Errors of arguments point at the caller of the verb.
local VERB = 2


local function read_options(verb, opts, level)
  local how = opts and Options.read("fetch", opts, level + 1) or {}
  how.keep = math.max(how.stale_while or 0, how.stale_if_error or 0)
  if how.keep > 0 and not how.ttl then
    error(("%s: %s needs ttl: until when a value is fresh"):format(verb,
      how.stale_while and "stale_while" or "stale_if_error"), level + 1)
  end
  how.seconds = how.timeout or TIMEOUT
  local by = host.now() + how.seconds
  if how.deadline and (by > how.deadline or not how.timeout) then by = how.deadline end
  how.by, how.since = by, {}
  return how
end


local function check_loader(verb, loader, level)
  if type(loader) == "function" then return end
  error(("%s takes a function that loads, not %s"):format(verb,
    Value.describe(loader)), level + 1)
end


-- A loader of one key as one of a list of keys.
local function for_one(loader)
  return function(keys)
    local value, why = loader(keys[1])
    if value == nil and why ~= nil then return nil, why end
    return { [keys[1]] = value }
  end
end


--- Reads a value, or loads it with loader(key) and stores it. Of many callers at the
--- same time one loads and the others wait. The loader returns a value, nil if there is
--- none, or nil and an error. nil alone: there is none. nil and an error: it failed.
--- true as the third result: the value is past its time.
---@param key string
---@param loader fun(key: string): any, any
---@param opts { ttl: weir.Seconds?, neg_ttl: weir.Seconds?, stale_while: weir.Seconds?,
---  stale_if_error: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return weir.Value? value, weir.Error? err, boolean? stale
function Fetch:fetch(key, loader, opts)
  check_method(self, "fetch", VERB)
  check_loader("fetch", loader, VERB)
  local how = read_options("fetch", opts, VERB)
  local req = Request.one("get", key, nil, VERB)
  local reply = answer(self, req, for_one(loader), how)
  if reply[1] == "miss" then return nil end
  if status.class[reply[1]] ~= "good" then return nil, reply:error(1) end
  return reply:take(1), nil, reply.stale and reply.stale[1] or nil
end


--- As fetch for a list of keys. loader(keys) is called once, with all keys that are
--- missing and that no other caller loads. It returns values by key. A key without a
--- value is absent. `return values, errors` fails single keys. A slot whose value is
--- past its time is marked in reply.stale.
---@param keys string[]
---@param loader fun(keys: string[]): table<string, any>?, any
---@param opts { ttl: weir.Seconds?, neg_ttl: weir.Seconds?, stale_while: weir.Seconds?,
---  stale_if_error: weir.Seconds?, timeout: weir.Seconds?, deadline: number? }?
---@return weir.Reply
function Fetch:fetch_many(keys, loader, opts)
  check_method(self, "fetch_many", VERB)
  check_loader("fetch_many", loader, VERB)
  local how = read_options("fetch_many", opts, VERB)
  local req = Request.new("get", keys, nil, VERB)
  local reply = answer(self, req, loader, how)
  return req.positions and reply:expand(req.positions) or reply
end


return Fetch
