-- connector/asks.lua: what weir_ask can ask a tree. Used by connector.lua.

local ffi = require "ffi"
local Breakers = require "weir.observe.breakers"
local Ffi = require "weir.ffi"
local Prometheus = require "weir.prometheus"
local C = Ffi.C

local Asks = {}

local HELP = [[
breaker          the breakers and their states
breaker SET PATH sets one: open, disable, reset; a single one needs no path
explain OP KEY   which way an op goes for a key, and why
help             this list
reload           read the file again; a file that does not load changes nothing
stats            what all stores have counted, in Prometheus' text format
tree             the stores, as they stand over each other
undo             go back to the tree before the last reload
]]


local function done(good, why)
  if not good then error(why, 0) end
  return "ok"
end


-- Each returns its answer, or raises why there is none.
local ANSWERS = {
  breaker = function(self, rest)
    local action, path = rest:match "^(%S+) ?(.*)$"
    if not action then return Breakers.text(self.store) end
    return ("%s is %s"):format(Breakers.force(self.store, action,
      path ~= "" and path or nil))
  end,
  explain = function(self, rest)
    local op, key = rest:match "^(%S+) (.+)$"
    if not op then error("explain takes an op and a key: explain get user:1", 0) end
    return tostring(self.store:explain(op, key))
  end,
  help = function() return HELP end,
  reload = function(self) return done(self.store:reload()) end,
  stats = function(self)
    local text = Prometheus.text { Prometheus.collect(self.store) }
    if self.failures == 0 then return text end
    local failure = self.failure:gsub("%s", " ")
    return ("%s# %d background tasks failed, the last: %s\n"):format(text,
      self.failures, failure)
  end,
  tree = function(self) return tostring(self.store:tree()) end,
  undo = function(self) return done(self.store:undo()) end,
}

local NAMES = {}
for name in pairs(ANSWERS) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)


local function answer(self, words)
  local name, rest = words:match "^%s*(%S*) ?(.-)$"
  if not ANSWERS[name] then
    error(("a tree does not understand %q; it knows %s%s"):format(name,
      table.concat(NAMES, ", "), Ffi.suggest(name, NAMES)), 0)
  end
  return ANSWERS[name](self, rest)
end


--- Makes answer(ask), which answers one and hands it back to C, and note(err), which
--- keeps the error of a task that nobody joined.
function Asks.new(store, shared)
  local self = { store = store, failures = 0 }

  function self.note(err)
    if err == nil then return end
    self.failures, self.failure = self.failures + 1, tostring(err)
  end

  function self.answer(ask)
    local good, text = pcall(answer, self, ffi.string(ask.words))
    text = tostring(text)
    ask.failed = good and 0 or 1
    ask.answer = C.weir_value_copy(text, #text)
    ask.next, shared.answered = shared.answered, ask
  end

  return self
end


return Asks
