-- migrate { from = old, to = new, at = "2026-12-01T03:00:00Z", over = "10m" }: requests
-- go to one store until a moment and to the other one afterwards, as mcrouter's
-- MigrateRoute. For `over` before and after that moment every write also deletes the
-- key in the other store. So machines whose clocks or policy files are apart by less
-- than that never read a value that another one has replaced.
--
-- Nothing is copied: the new store begins empty, or is warmup { new, old }. It must not
-- hold values from an earlier use. A warmup reads the old store, and deletes there what
-- it sets. So before the moment writes delete only in the new store of the warmup, and
-- afterwards nowhere else. The moment is found once, when the file is loaded: a
-- clock that is set afterwards does not move it.

local Arguments = require "weir.policy.shared.arguments"
local Atomic = require "weir.policy.shared.atomic"
local Backend = require "weir.policy.shared.backend"
local Generations = require "weir.policy.shared.generations"
local Lent = require "weir.policy.shared.lent"
local Node = require "weir.policy.shared.node"
local Op = require "weir.core.op"
local status = require "weir.core.status"
local Suspects = require "weir.policy.shared.suspects"
local host = require "weir.host"

local Migrate = Node.word "migrate"


-- The days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March,
-- so that a leap day is the last one.
local function days_of(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local leap = math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
  return 365 * year + leap + math.floor((153 * (month - 3) + 2) / 5) + day - 719469
end


local MOMENT = "a moment such as \"2026-12-01T03:00:00Z\", or seconds since 1970"

-- Seconds since 1970, of a number or of a time in UTC.
local function moment(x, name)
  if type(x) == "number" and x == x and x >= 0 and x < math.huge then return x end
  local year, month, day, hour, minute, second = tostring(x):match
    "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)Z$"
  if not year or tonumber(month) > 12 or tonumber(day) > 31 or tonumber(hour) > 23
    or tonumber(month) < 1 or tonumber(day) < 1 then
    error(("%s is %s, not %s"):format(name, MOMENT, Arguments.show(x)), 0)
  end
  local days = days_of(tonumber(year), tonumber(month), tonumber(day))
  return ((days * 24 + hour) * 60 + minute) * 60 + second
end


Migrate.HELP = "Requests go to one store until a moment and to another one afterwards. "
  .. "Around that moment writes also delete in the other one."
Migrate.EXAMPLE = 'migrate { from = old, to = new, at = "2026-12-01T03:00:00Z" }'
Migrate.OPTIONS = {
  { "from", is = "any", type = "weir.Store", required = "from = the store until then",
    help = "the store until then" },
  { "to", is = "any", type = "weir.Store", required = "to = the store from then on",
    help = "the store from then on" },
  { "at", is = moment, type = "string|number", required = "at = " .. MOMENT,
    help = "when the requests change over" },
  { "over", is = "seconds", default = 600,
    help = "time before and after it in which writes delete in the other store" },
  Suspects.OPTION,
}


-- Where writes delete before the moment: in `to`, or, if that is a warmup which reads
-- `from`, in the store that it fills.
local function fresh_part(from, to)
  if not Backend.shared(from, to) then return to end
  local store = to
  while Node.is_wrapper(store) and store.word ~= "prefix" do store = store.child end
  local fills = store.word == "warmup" and store.children[1]
  if fills and not Backend.shared(from, fills) then return fills end
  error("migrate: to has a store of from in it, and writes would delete there what "
    .. "they have just set; only warmup { new, old } may have it", 0)
end


function Migrate.new(given)
  local options = Arguments.read("migrate", Migrate.OPTIONS, given)
  local from = Arguments.store("migrate", "from", options.from)
  local to = Arguments.store("migrate", "to", options.to)
  local generations, fresh = Generations.new(), fresh_part(from, to)
  local suspects = {
    from = Suspects.new(from, generations, options.old_copies),
    to = Suspects.new(to, generations, options.old_copies),
  }
  suspects.to.deletes_in = fresh
  return Migrate:node { children = { from = from, to = to }, over = options.over,
    generations = generations, suspects = suspects, fresh = fresh,
    at = host.now() + options.at - os.time() }
end


-- The store of the moment, the other one, and whether writes delete there.
local function sides(self)
  local left = self.at - host.now()
  if left > 0 then return "from", "to", left <= self.over end
  return "to", "from", -left < self.over and self.fresh == self.children.to
end


-- What was set or deleted in a store takes the place of an old copy that it had, so
-- nothing may delete it later. Other writes look at the value that is there. So, as
-- reads, they do not ask the store for keys of which it may have an old copy.
local OVERWRITES = { set = true, delete = true }

local function write_here(self, here, req)
  local suspects = self.suspects[here]
  if not OVERWRITES[req.op] then return suspects:read(req) end
  local reply = self.children[here]:run(req)
  for i = 1, suspects:count() > 0 and req.n or 0 do
    if status.class[reply[i]] ~= "error" then suspects:clear(req.keys[i]) end
  end
  return reply
end


local function write(self, req)
  local here, there, both = sides(self)
  local reply = write_here(self, here, req)
  if req.op == "delete" and both then
    return reply:combine(self.suspects[there].deletes_in:run(req))
  end
  if both then self.suspects[there]:invalidate(req, Lent.all(req.n), reply) end
  return reply
end


function Migrate:answer(req)
  local here = sides(self)
  if Op.lookups[req.op] then return self.suspects[here]:read(req) end
  if req.op == "scan" then return self.children[here]:run(req) end
  local refused = Op.atomic[req.op] and Atomic.refuse(self, req)
  return refused or self.generations:write(self, req, write)
end


--- Around the moment another process may use the other store.
function Migrate:refuses()
  local _, _, both = sides(self)
  return both and "the requests change over, and another process may use the other "
    .. "store" or nil
end


-- What tally returns.
Migrate.STATS = {
  { "left", is = "gauge", help = "seconds until the requests change over" },
  Suspects.STATS[1], Suspects.STATS[2],
}

function Migrate:tally()
  local old, refused = Suspects.stats { self.suspects.from, self.suspects.to }
  return { left = math.max(self.at - host.now(), 0), old_copies = old,
    old_copies_refused = refused }
end


function Migrate:plan(op)
  local here, there, both = sides(self)
  local children = self.children
  if Op.reads[op] or not both then return "the store of now", { children[here] } end
  return "the store of now; deleted in the other one",
    { children[here], children[there] }
end


return Migrate
