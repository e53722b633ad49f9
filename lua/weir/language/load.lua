-- language/load.lua: builds the store of a policy file. A file sees the words, the
-- stores of its host, its parameters, and some of Lua. Any other name is an error with
-- file, line and the nearest name. If the file fails, the stores that it opened are
-- closed.
--
-- A policy file is code, as nginx's configuration is where it has Lua in it. It has os
-- and require, so it may do all that its process may. The short list of names is there
-- to find misspelt words, and is no sandbox. Load only files that you trust.
-- bounded.lua bounds the time that loading takes.

local run_bounded = require "weir.language.bounded"
local Blame = require "weir.core.blame"
local Closing = require "weir.core.closing"
local Opener = require "weir.core.opener"
local Params = require "weir.language.params"
local Policies = require "weir.language.policies"
local Store = require "weir.core.store"
local Value = require "weir.core.value"
local words = require "weir.language.words"

local Load = {}

-- Default for the seconds that the code of a file may take.
local TIMEOUT = 5

-- The names of Lua that a policy file sees.
local LUA = {
  "assert", "bit", "error", "ipairs", "math", "next", "os", "pairs", "pcall", "print",
  "select", "string", "table", "tonumber", "tostring", "type", "unpack",
}

local MODULE = "weir"


local function unknown(name, given)
  return ("no word %q%s"):format(tostring(name), words.suggest(name, given))
end


-- The module weir as a file gets it: the words that open stores are the file's own.
local function module_of(stores, meaning)
  local weir = require(MODULE)
  return setmetatable({}, { __index = function(_, name)
    local word = stores[name] or meaning(name) or rawget(weir, name)
    if word == nil then error(unknown(name), 2) end
    return word
  end })
end


-- meaning(name): what a word is, or nil.
local function environment(stores, meaning, params)
  local env = { param = Params.word(params) }
  for _, name in ipairs(LUA) do env[name] = _G[name] end
  function env.require(name)
    return name == MODULE and module_of(stores, meaning) or require(name)
  end
  for name, store in pairs(stores) do env[name] = store end
  local given = {}
  for name in pairs(env) do given[#given + 1] = name end
  return setmetatable(env, {
    __index = function(_, name)
      local word = meaning(name)
      if word == nil then error(unknown(name, given), 2) end
      rawset(env, name, word)
      return word
    end,
    __newindex = function(_, name)
      error(("a policy file has no globals: write local %s = ..."):format(name), 2)
    end,
  })
end


-- interruptible: compiled code ignores hooks, so the file's functions stay interpreted.
local function compile(source, interruptible)
  if type(source) == "function" then return source, "the chunk" end
  local chunk, why = loadfile(source)
  if not chunk then error(why, 0) end
  if interruptible then jit.off(chunk, true) end
  return chunk, source
end


-- Improves Lua's message for a misspelt method, which does not say which methods there
-- are, and for a word over several stores or over none, which is no method.
local function unknown_method(method)
  if words.find(method) then
    local example = Policies.example(method)
    return ("%s is no method of a store%s"):format(method,
      example and "; write " .. example or "")
  end
  return ("no store has a method %q%s"):format(method, words.suggest(method))
end


-- The same for a word that is used as if it were a store.
local function uncalled_word(name)
  if not words.find(name) then return nil end
  return ("%s is a word, not a store; call it: %s {}"):format(name, name)
end


-- Adds a place to an error that has none. place: that of the last line that ran.
local function placed(err, place)
  if type(err) ~= "string" then
    if Blame.is_message(err) then return err end
    return place .. ": " .. Blame.sentence(err)
  end
  err = err:gsub("attempt to call method '([%w_]+)' %(a nil value%)", unknown_method)
  err = err:gsub("attempt to index global '([%w_]+)' %(a function value%)",
    uncalled_word)
  if err:match "^[^\n]-:%d+: " then return err end
  return place .. ": " .. err
end


-- What each coroutine is loading: { source =, outer = }. A file may load others.
local loading = setmetatable({}, { __mode = "k" })
local NO_COROUTINE = {}


-- Notes that this coroutine loads `source`, and returns what ends that. A file that
-- loads itself, also by way of others, would never end.
local function begin(source, name)
  local task = coroutine.running() or NO_COROUTINE
  local outer = loading[task]
  local at = outer
  while at do
    if at.source == source then error(name .. " loads itself", 0) end
    at = at.outer
  end
  loading[task] = { source = source, outer = outer }
  return function() loading[task] = outer end
end


--- Builds the store of a policy file and returns it with the list of the C stores
--- that it opened. `opts`: stores = what stands under further words; params = texts
--- of its param(...) by name; timeout = seconds that its code may take (5);
--- interruptible = whether a hook must be able to end its functions;
--- open(name) = asked first for what a word is, so that a
--- reload can hand in what it keeps and answers for.
function Load.build(source, opts)
  opts = opts or {}
  local chunk, name = compile(source, opts.interruptible)
  local stores, open, opened = opts.stores or {}, opts.open, {}
  local function note(store) opened[#opened + 1] = store end
  local function meaning(word) return open and open(word) or words.find(word, note) end
  setfenv(chunk, environment(stores, meaning, opts.params))
  local finish = begin(source, name)
  local good, store, place = Opener.with(stores, run_bounded, chunk,
    opts.timeout or TIMEOUT)
  finish()
  if good and Store.is(store) and store.get_many then return store, opened end
  Closing.all(opened, { drop = true })
  if not good then error(placed(store, place or name), 0) end
  error(("%s returns %s; its last line must return a store%s"):format(name,
    store == nil and "nothing" or "a " .. Value.describe(store),
    Store.is(store) and ", as policy { run = ... } makes one" or ""), 0)
end


return Load
