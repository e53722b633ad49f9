-- Requests of an LLM service, made up: sessions that begin with one of a few system
-- prompts, some far more popular than others, and grow by a few chunks each turn,
-- asking for all of their history again. The same seed gives the same requests.
-- Chunk ids are as in Mooncake's traces: equal ids are equal prefixes.

local PROMPTS = 24       -- system prompts; the nth is used 1/n as often as the first
local PROMPT_CHUNKS = 12 -- of the longest one
local ALIVE = 48         -- sessions that may go on
local TURNS = 12         -- at most, in a session
local GROWTH = 3         -- chunks at most that a turn adds


-- Park and Miller's generator: numbers from 0 to below 1.
local function generator(seed)
  local state = seed % 2147483646 + 1
  return function()
    state = state * 48271 % 2147483647
    return (state - 1) / 2147483646
  end
end


-- Draws 1 to n, k with a weight of 1/k.
local function zipf(random, n)
  local sums, sum = {}, 0
  for k = 1, n do
    sum = sum + 1 / k
    sums[k] = sum
  end
  return function()
    local x, k = random() * sum, 1
    while sums[k] < x do
      k = k + 1
    end
    return k
  end
end


--- Returns an endless iterator of lists of chunk ids.
---@param seed integer
---@return fun(): integer[]
return function(seed)
  local random = generator(seed)
  local pick_prompt, pick_session = zipf(random, PROMPTS), zipf(random, ALIVE)
  local prompts, alive, next_id = {}, {}, 0

  local function grow(chunks, count)
    for _ = 1, count do
      next_id = next_id + 1
      chunks[#chunks + 1] = next_id
    end
    return chunks
  end

  for i = 1, PROMPTS do
    prompts[i] = grow({}, 2 + math.floor(random() * (PROMPT_CHUNKS - 1)))
  end

  local function begin()
    return { chunks = { unpack(prompts[pick_prompt()]) }, turns = 0 }
  end

  -- The session to go on with becomes the most recent, the likeliest next time.
  return function()
    local session = table.remove(alive, pick_session()) or begin()
    session.turns = session.turns + 1
    grow(session.chunks, 1 + math.floor(random() * GROWTH))
    if session.turns < TURNS then
      table.insert(alive, 1, session)
      alive[ALIVE + 1] = nil
    end
    return { unpack(session.chunks) }
  end
end
