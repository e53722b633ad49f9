-- serve/resp.lua: a reply in RESP2 or RESP3, put together piece by piece. Handlers of
-- commands write into one; serve/calls.lua sends it.

local Resp = {}
Resp.__index = Resp


--- An empty reply in a protocol: 2 or 3.
function Resp.new(protocol)
  return setmetatable({ n = 0, three = protocol == 3 }, Resp)
end


local function add(self, text)
  self.n = self.n + 1
  self[self.n] = text
end


--- A line such as +OK.
function Resp:simple(text)
  add(self, "+" .. text .. "\r\n")
end


--- An error: its code, then words. What may end the line becomes a blank.
function Resp:error(text)
  add(self, "-" .. text:gsub("[\r\n]", " ") .. "\r\n")
end


function Resp:integer(n)
  add(self, (":%.0f\r\n"):format(n))
end


function Resp:bulk(text)
  add(self, "$" .. #text .. "\r\n" .. text .. "\r\n")
end


--- Text for people, which RESP3 tells from other strings.
function Resp:text(text)
  if not self.three then return self:bulk(text) end
  add(self, "=" .. #text + 4 .. "\r\ntxt:" .. text .. "\r\n")
end


function Resp:null()
  add(self, self.three and "_\r\n" or "$-1\r\n")
end


--- The head of an array; n pieces follow.
function Resp:array(n)
  add(self, "*" .. n .. "\r\n")
end


--- The head of a map; n keys and values follow.
function Resp:map(n)
  add(self, self.three and "%" .. n .. "\r\n" or "*" .. 2 * n .. "\r\n")
end


--- The head of a set; n pieces follow.
function Resp:set(n)
  add(self, (self.three and "~" or "*") .. n .. "\r\n")
end


--- An array of bulk strings.
function Resp:list(texts)
  self:array(#texts)
  for i = 1, #texts do self:bulk(texts[i]) end
end


--- Makes the reply empty again.
function Resp:clear()
  for i = 1, self.n do self[i] = nil end
  self.n = 0
end


--- The bytes so far.
function Resp:bytes()
  return table.concat(self, "", 1, self.n)
end


return Resp
