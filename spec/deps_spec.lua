-- .ci/deps, with stand-ins for Debian's tools: what is there, what it would install.
local shell = require "shell"

local STANDINS = {
  ["dpkg-query"] = 'case " $THERE " in *" $3 "*) echo installed;; *) exit 1;; esac',
  ["apt-get"] = 'echo "apt-get $*" >&2; case "$*" in *update*) ;; *) exit 0;; esac; '
    .. '[ -n "$LOCKS" ] && [ "$(cat $LOCKS)" != xx ] || exit 0; '
    .. 'echo x$(cat $LOCKS) >$LOCKS; echo "E: Could not get lock" >&2; exit 100',
  ["sleep"] = ":",
  ["id"] = 'echo "${USER_ID:-0}"',
}


describe(".ci/deps", function()
  local folder

  before_each(function()
    folder = shell.folder()
    for name, script in pairs(STANDINS) do
      shell.write(folder .. "/" .. name, "#!/bin/sh\n" .. script .. "\n")
    end
    for _, name in ipairs { "sh", "grep", "cat", "env" } do
      shell.run(("ln -s $(command -v %s) %s/%s"):format(name, folder, name))
    end
    shell.run(("chmod +x %s/*"):format(folder))
  end)

  after_each(function() shell.remove(folder) end)

  local function deps(variables, packages)
    return shell.run(("PATH=%s %s .ci/deps %s"):format(folder, variables, packages))
  end

  it("does and says nothing when all is there, without rights", function()
    assert.same({ 0, "", "" }, { deps("THERE='a b' USER_ID=1000", "a b") })
  end)

  it("installs what is missing, and only that, and says so", function()
    local code, out, err = deps("THERE=a", "a b c")
    assert.same({ 0, "deps: installing b c\n" }, { code, out })
    assert.matches("apt%-get install .* b c\n$", err)
  end)

  it("waits for another apt, by dpkg's lock and by that of the lists", function()
    shell.write(folder .. "/locks", "")
    local code, out, err = deps("LOCKS=" .. folder .. "/locks", "a")
    assert.same({ 0, "deps: installing a\n" }, { code, out })
    assert.matches("^deps: waiting for another apt\n", err)
    assert.is_nil(err:find("E: ", 1, true))
    assert.matches("apt%-get install [^\n]*DPkg::Lock::Timeout=%d+ .* a\n$", err)
    assert.same({ 0, "xx\n", "" }, { shell.run("cat " .. folder .. "/locks") })
  end)

  it("fails with apt's words when it fails for another reason", function()
    shell.write(folder .. "/apt-get", "#!/bin/sh\necho 'E: no network' >&2; exit 100\n")
    local code, _, err = deps("", "a")
    assert.same({ 1, "E: no network\n" }, { code, err })
  end)

  it("leaves the plain luajit to its owner", function()
    local code, _, err = deps("THERE=luajit", "luajit2")
    assert.equal(1, code)
    assert.matches("apt%-get install luajit2 luajit%-\n", err)
    assert.is_nil(err:find "%-y")
  end)

  it("says what to type when it has no rights", function()
    local code, _, err = deps("USER_ID=1000", "a b")
    assert.equal(1, code)
    assert.matches("apt%-get install a b\n", err)
  end)

  it("names the packages and goes on where there is no Debian", function()
    shell.run(("rm %s/dpkg-query"):format(folder))
    local code, _, err = deps("", "a b")
    assert.equal(0, code)
    assert.matches("equivalents of: a b", err)
  end)
end)
