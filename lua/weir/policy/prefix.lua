-- prefix "ns/": puts "ns/" in front of every key for the store below. A scan removes it
-- again. So tenants share a store and never see each other's keys, as with mcrouter's
-- PrefixPolicyRoute.

local Arguments = require "weir.policy.shared.arguments"
local Node = require "weir.policy.shared.node"
local Page = require "weir.policy.shared.scan_page"
local Reply = require "weir.core.reply"

local new_table = require "table.new"

local Prefix = Node.word "prefix"
Prefix.REUSES = true

Prefix.HELP = "The store below sees every key with a prefix in front. A scan takes it "
  .. "off again."
Prefix.EXAMPLE = 'far:prefix "eu/"'
Prefix.OPTIONS = {
  { "text", at = 1, is = "name", required = "a prefix such as \"ns/\"",
    help = "what is put in front of each key" },
}


function Prefix.new(child, ...)
  local given = Arguments.read("prefix", Prefix.OPTIONS, ...)
  return Prefix:node { children = { child }, child = child, text = given.text }
end


local function strip(self, reply)
  if reply[1] ~= "ok" then return reply end
  Page.filter(reply, function(keys)
    local keep = {}
    for i, key in ipairs(keys) do keep[i] = #key > #self.text end
    return keep
  end)
  local page = reply:take(1)
  if page then reply:set(1, "ok", { value = Page.shorten(page, #self.text) }) end
  return reply
end


-- Gives a request the keys of another one with the prefix.
local function lengthen(inner, text, req)
  local keys, longer = req.keys, inner.own_keys or new_table(req.n, 0)
  for i = 1, req.n do longer[i] = text .. keys[i] end
  inner.keys = longer
end


-- The slots whose keys are not empty, or nil: all of them. An empty key is invalid
-- here, though with the prefix it would not be below.
local function keys_only(req)
  local keys, found = req.keys, false
  for i = 1, req.n do found = found or keys[i] == "" end
  if not found or req.op == "scan" then return nil end
  local slots = {}
  for i = 1, req.n do
    if keys[i] ~= "" then slots[#slots + 1] = i end
  end
  return slots
end


local function run_child(self, req)
  local inner = req:relend(req.deadline)
  local child = self.child
  if child.handle and not rawget(child, "run") then
    -- A C store copies keys anyway: no string is made for it. One with a run of its own
    -- is watched (by fetch, by a replay), and who watches reads the keys.
    inner.front = self.text
  else
    lengthen(inner, self.text, req)
  end
  local reply = child:run(inner)
  inner:give_back()
  if req.op == "scan" then return strip(self, reply) end
  return reply
end


function Prefix:answer(req)
  local slots = keys_only(req)
  if not slots then return run_child(self, req) end
  local reply = Reply.uniform(req, "invalid", self.name .. ": a key is empty",
    self.name)
  if #slots > 0 then reply:place(run_child(self, req:subset(slots)), slots) end
  return reply
end


--- Passes on changes of its own keys, without the prefix.
function Prefix:hear(event, what, source)
  if event == "changed" then
    local keys, text = {}, self.text
    for _, key in ipairs(what) do
      if #key > #text and key:sub(1, #text) == text then
        keys[#keys + 1] = key:sub(#text + 1)
      end
    end
    if #keys == 0 then return end
    what = keys
  end
  Node.hear(self, event, what, source)
end


--- The key as the store below sees it.
function Prefix:inner_key(key)
  return self.text .. key
end


function Prefix:plan(_, key)
  return ("as %q"):format(self.text .. key), { self.child }
end


return Prefix
