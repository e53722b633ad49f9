-- weir completion: a script that makes a shell complete the command line, from the same
-- definitions as the help. argparse writes the subcommands and options. The values of
-- arguments are added here: stores by their connectors, and choices.
local Catalog = require "weir.native.catalog"
local Exit = require "weir.app.exit"

local Command = {
  summary = "Write a script that makes bash or zsh complete weir's command line.",
  description = "Write a script that makes a shell complete weir's command line: "
    .. "eval \"$(weir completion bash)\".",
}


function Command.define(command)
  command:argument "shell"
    :description "bash or zsh."
    :choices { "bash", "zsh" }
end


-- ---- candidates ----

-- Whether an option is the path in the URLs of a scheme.
local function is_path(option, scheme)
  if option.url ~= "path" or option.type ~= "path" then return false end
  for _, name in ipairs(option.url_schemes or { scheme }) do
    if name == scheme then return true end
  end
  return false
end


-- The beginning of the URLs of a scheme: "fs:///" when they have a path instead of a
-- host, nil when they have no parts.
local function head_of(info, scheme)
  local head
  for _, option in ipairs(info.options) do
    if is_path(option, scheme) then return scheme .. ":///" end
    if option.url then head = scheme .. "://" end
  end
  return head
end


-- The names of connectors, their schemes, and the beginnings of their URLs.
local function vocabulary()
  local names, schemes, heads = {}, {}, {}
  for _, info in ipairs((Catalog.all())) do
    names[#names + 1] = info.name
    for _, scheme in ipairs { info.name, unpack(info.schemes) } do
      schemes[#schemes + 1] = scheme
      heads[#heads + 1] = head_of(info, scheme)
    end
  end
  return { names = names, schemes = schemes, heads = heads }
end


-- A list of words in whose place a store is completed.
local STORES = { "_weir_stores" }
local IS_STORE = { store = true, other = true }


-- The words for an argument, or nil.
local function offer(command, argument, words)
  if IS_STORE[argument._name] then return STORES end
  if command._name == "connectors" then return words.schemes end
  return argument._choices
end


-- Calls fn(command, index, words, argument) for each argument for which something is
-- offered. The index is "*" when there may be any number of it.
local function each_offer(parser, words, fn)
  for _, command in ipairs(parser._commands) do
    for i, argument in ipairs(command._arguments) do
      local list = offer(command, argument, words)
      local many = argument._maxargs == math.huge
      if list then fn(command, many and "*" or tostring(i - 1), list, argument) end
    end
  end
end


-- ---- bash ----

-- Which argument of its subcommand is completed: options and their values are passed
-- over, and the parts into which bash breaks a URL at : and = are one word.
local BASH = [=[
_weir_place() {
    local i word last=
    place=-1
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        case "$last $word" in
            [:=]\ *|*\ [:=]) ;;
            @VALUED@) ;;
            *\ -*) ;;
            *) place=$((place + 1)) ;;
        esac
        last="$word"
    done
}

_weir_offer() {
    local place words=
    [[ "$cur" = [:=-]* || "$prev" = [:=] ]] && return
    _weir_place
    case "$cmd $place" in
@CASES@
    esac
    if [[ "$words" = _weir_stores ]]; then
        words="@NAMES@ @HEADS@"
        COMPREPLY+=($(compgen -f -X '!*.lua' -- "$cur"; compgen -d -- "$cur"))
    fi
    COMPREPLY+=($(compgen -W "$words" -- "$cur"))
    if [[ "${COMPREPLY[*]}" = *:// || "${COMPREPLY[*]}" = */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
]=]


-- The options that take a value, as patterns of "LAST WORD".
local function valued(parser)
  local seen, patterns = {}, {}
  for _, command in ipairs(parser._commands) do
    for _, option in ipairs(command._options) do
      for _, alias in ipairs(option._maxargs > 0 and option._aliases or {}) do
        if not seen[alias] then patterns[#patterns + 1] = alias .. "\\ *" end
        seen[alias] = true
      end
    end
  end
  return table.concat(patterns, "|")
end


local function bash(parser)
  local words, cases = vocabulary(), {}
  each_offer(parser, words, function(command, place, list)
    cases[#cases + 1] = ('        "%s "%s) words="%s" ;;'):format(command._name, place,
      table.concat(list, " "))
  end)
  local parts = {
    VALUED = valued(parser), CASES = table.concat(cases, "\n"),
    NAMES = table.concat(words.names, " "), HEADS = table.concat(words.heads, " "),
  }
  local text = parser:get_bash_complete():gsub('\n    if %[%[ "%$cur" = %-%*',
    "\n    [[ -n $cmd ]] && _weir_offer%0", 1)
  return (BASH:gsub("@(%u+)@", parts)) .. "\n" .. text
end


-- ---- zsh ----

local ZSH = [=[
_weir_stores() {
  compadd -- %s
  compadd -S '' -- %s
  _files
}

]=]


local function zsh(parser)
  local words = vocabulary()
  each_offer(parser, words, function(_, _, list, argument) argument._choices = list end)
  local text = parser:get_zsh_complete():gsub(": :%(_weir_stores%)", ": :_weir_stores")
  local head, rest = text:match "^(#compdef[^\n]*\n\n?)(.*)$"
  return head .. ZSH:format(table.concat(words.names, " "),
    table.concat(words.heads, " ")) .. rest
end


function Command.run(args, _, parser)
  Exit.write(args.shell == "bash" and bash(parser) or zsh(parser))
  return Exit.OK
end


return Command
