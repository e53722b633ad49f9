-- policy/tier/back_word.lua: the word back, for write = of tier. Used by write-back.

local Arguments = require "weir.policy.shared.arguments"
local Blame = require "weir.core.blame"

local Word = {}


--- What the word means, how it is written, and its options.
Word.ABOUT = {
  back = { HELP = "The authority gets writes later, the newest of each key.",
    EXAMPLE = 'write = back { after = 5, max_dirty = "256MiB" }', OPTIONS = {
      { "after", is = "seconds", default = 5,
        help = "how long a key may be dirty before it is flushed" },
      { "max_dirty", is = "size", default = 64 * 2 ^ 20,
        help = "bytes of keys and values that may be dirty" },
      { "on_full", is = { "through", "block", "busy" }, default = "through",
        help = "what happens to a write over max_dirty",
        values = { through = "it goes to the authority at once",
          block = "it waits for a flush, until its deadline",
          busy = "it is refused" } },
      { "journal", is = "path",
        help = "a folder, for this process alone; dirty writes survive a crash there" },
      { "sync", is = { "none", "data" }, default = "none",
        help = "what a write waits for when there is a journal",
        values = { none = "the kernel has it: it survives the end of the process",
          data = "the disk has it: it survives a power failure" } },
    } },
}


-- A plain table: a reload compares it by its contents.
local function make(given)
  local options = Arguments.read("back", Word.ABOUT.back.OPTIONS, given or {})
  if options.sync == "data" and not options.journal then
    error("back: sync belongs to journal, which is not given", 0)
  end
  return { name = "back", back = options }
end


Word.words = {
  back = function(given)
    local ok, result = pcall(make, given)
    if not ok then error(Blame.placed(result, "back"), 0) end
    return result
  end,
}


--- Reads the option write: what the word back returned, or nil.
function Word.read(x)
  return type(x) == "table" and x.back and x or nil
end


return Word
