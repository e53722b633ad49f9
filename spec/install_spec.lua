-- `make install`, and that what it leaves works on its own, from any folder.
local shell = require "shell"


describe("an installed weir #unsanitized", function()
  local prefix

  setup(function()
    prefix = shell.folder()
    local code, _, err = shell.run("make install PREFIX=" .. prefix, nil, 300)
    assert.equal(0, code, err)
  end)

  teardown(function() shell.remove(prefix) end)

  it("runs from another folder, and through a symbolic link", function()
    local set = ("cd / && %s/bin/weir set fs://%s/store a 1"):format(prefix, prefix)
    assert.same({ 0, "", "" }, { shell.run(set) })
    shell.run(("ln -s %s/bin/weir %s/link"):format(prefix, prefix))
    local get = ("cd / && %s/link get fs://%s/store a"):format(prefix, prefix)
    assert.same({ 0, "1", "" }, { shell.run(get) })
  end)

  it("does not look into the source tree", function()
    local script = "for name, m in pairs(package.loaded) do "
      .. "local f = type(m) == 'table' and rawget(m, 'run') "
      .. "if type(f) == 'function' then print(debug.getinfo(f, 'S').source) end end"
    shell.write(prefix .. "/where.lua", script)
    local code, out = shell.run(("cd / && %s/bin/weir run %s/where.lua")
      :format(prefix, prefix))
    assert.equal(0, code)
    for source in out:gmatch "@(.-)\n" do
      assert.equal(1, source:find(prefix, 1, true) or source)
    end
  end)

  it("brings its manual and what makes shells complete it", function()
    for _, path in ipairs {
      "man/man1/weir.1", "bash-completion/completions/weir", "zsh/site-functions/_weir",
    } do
      local code, _, err = shell.run(("grep -q weir %s/share/%s"):format(prefix, path))
      assert.equal(0, code, err)
    end
  end)

  it("finds its connectors beside its library", function()
    local _, here = shell.run "build/weir connectors"
    local _, there = shell.run(("cd / && %s/bin/weir connectors"):format(prefix))
    assert.equal(here, there)
  end)

  it("is found by pkg-config, for programs and connectors in C", function()
    shell.write(prefix .. "/hello.c", [[
      #include <stdio.h>
      #include <weir.h>
      #include <weir/connector.h>
      int main(void)
      {
          struct weir_store *s;
          struct weir_error err;

          if (weir_open(&s, "memory", NULL, 0, &err) < 0)
              return puts(err.message);
          puts(weir_store_name(s));
          weir_store_free(s);
          return 0;
      }
    ]])
    local code, out, err = shell.run(([[
      cd %s && export PKG_CONFIG_PATH=lib/pkgconfig &&
      cc -Wall -Werror hello.c -o hello $(pkg-config --cflags --libs weir) &&
      LD_LIBRARY_PATH=lib ./hello]]):format(prefix))
    assert.same({ 0, "memory\n", "" }, { code, out, err })
  end)

  it("can be used from C++, by every header", function()
    shell.write(prefix .. "/hello.cc", [[
      #include <weir.h>
      #include <weir/codec.h>
      #include <weir/connector.h>
      #include <weir/loop.h>
      #include <weir/serve.h>
      #include <stdio.h>
      int main()
      {
          const void *functions[] = {
              (const void *)weir_codec_free, (const void *)weir_call_fail,
              (const void *)weir_loop_free, (const void *)weir_server_layout};
          puts(functions[0] != NULL ? weir_version() : "");
      }
    ]])
    local code, out, err = shell.run(([[
      cd %s && export PKG_CONFIG_PATH=lib/pkgconfig &&
      clang -x c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror hello.cc -o hello++ \
          $(pkg-config --cflags --libs weir) -lweir-codec -lweir-serve -lweir-ev &&
      LD_LIBRARY_PATH=lib ./hello++]]):format(prefix))
    assert.same({ 0, "0.1.0\n", "" }, { code, out, err })
  end)

  it("brings its README, its licence and its examples", function()
    for _, path in ipairs {
      "README.md", "LICENSE", "lua/README.md", "examples/kvcache.lua",
      "examples/nginx/nginx.conf", "examples/connector/tar.c",
    } do
      local line = ("cmp %s %s/share/doc/weir/%s"):format(path, prefix, path)
      assert.same({ 0, "", "" }, { shell.run(line) })
    end
    assert.equal(0, (shell.run(("test -x %s/share/doc/weir/examples/nginx/run")
      :format(prefix))))
  end)

  it("has Python modules that find its library, and that go by themselves", function()
    local python = "PYTHON=/usr/bin/python3 PREFIX=" .. prefix
    local list = ("cd %s && find . | sort"):format(prefix)
    local _, before = shell.run(list)
    local code, out, err = shell.run("make install-python " .. python)
    assert.equal(0, code, err)
    local path = assert(out:match "PYTHONPATH=(%S+)")
    local show = "from weir import library; print(library.path)"
    code, out, err = shell.run(("cd / && env -u WEIR_LIB PYTHONPATH=%s "
      .. "PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c '%s'"):format(path, show))
    assert.same({ 0, "" }, { code, err })
    assert.matches("^" .. prefix:gsub("%p", "%%%0") .. "/lib/libweir%.so%.%d+\n$", out)
    code, _, err = shell.run("make uninstall-python " .. python)
    assert.equal(0, code, err)
    assert.same({ 0, before, "" }, { shell.run(list) })
  end)

  it("can be read by all, whatever the installer's umask", function()
    local here = shell.folder()
    assert.equal(0, (shell.run("umask 077 && make install PREFIX=" .. here, nil, 300)))
    local _, out = shell.run(("find %s -mindepth 1 ! -perm -o=r"):format(here))
    assert.equal("", out)
    shell.remove(here)
  end)

  it("is removed by uninstall, exactly, also after an update", function()
    local here = shell.folder()
    local list = ("cd %s && find . | sort"):format(here)
    shell.run(("mkdir -p %s/bin %s/share/man/man1 && echo own >%s/bin/own")
      :format(here, here, here))
    local _, before = shell.run(list)
    assert.equal(0, (shell.run("make install PREFIX=" .. here, nil, 300)))
    local _, first = shell.run(list)
    -- A file that an earlier version had, by its list.
    shell.run(("cd %s && echo old >share/lua/5.1/weir/old.lua && "
      .. "echo share/lua/5.1/weir/old.lua >>lib/weir/installed"):format(here))
    assert.equal(0, (shell.run("make install PREFIX=" .. here, nil, 300)))
    assert.same({ 0, first, "" }, { shell.run(list) })
    local code, _, err = shell.run("make uninstall PREFIX=" .. here)
    assert.equal(0, code, err)
    assert.same({ 0, before, "" }, { shell.run(list) })
    code, _, err = shell.run("make uninstall PREFIX=" .. here)
    assert.equal(2, code)
    assert.matches("nothing was installed below " .. here, err, 1, true)
    shell.remove(here)
  end)

  it("leaves what others put into its folders, and says so", function()
    local here = shell.folder()
    assert.equal(0, (shell.run("make install PREFIX=" .. here, nil, 300)))
    shell.write(here .. "/lib/weir/connectors/own.so", "")
    local code, out = shell.run("make uninstall PREFIX=" .. here)
    assert.equal(0, code)
    assert.matches("lib/weir/connectors is not empty, it stays", out, 1, true)
    local _, left = shell.run(("cd %s && find . -type f"):format(here))
    assert.equal("./lib/weir/connectors/own.so\n", left)
    shell.remove(here)
  end)

  it("leaves with DESTDIR what PREFIX says", function()
    local stage = shell.folder()
    local make = ("make install DESTDIR=%s PREFIX=/usr"):format(stage)
    assert.equal(0, (shell.run(make, nil, 300)))
    local _, out = shell.run(("cd %s/usr && bin/weir --version && cat lib/pkgconfig/*")
      :format(stage))
    assert.matches("^weir %d", out)
    assert.matches("prefix=/usr\n", out)
    local take = ("make uninstall DESTDIR=%s PREFIX=/usr"):format(stage)
    assert.equal(0, (shell.run(take)))
    assert.same({ 0, "", "" }, { shell.run(("find %s/usr -mindepth 1"):format(stage)) })
    shell.remove(stage)
  end)
end)


describe("the loader's cache after an install", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/id", "#!/bin/sh\necho ${USER_ID:-0}\n")
    shell.write(folder .. "/ldconfig", "#!/bin/sh\n"
      .. '[ "$1" = -p ] && exec cat "$CACHE"; echo "$FOUND" >"$CACHE"\n')
    shell.run(("chmod +x %s/id %s/ldconfig"):format(folder, folder))
  end)

  after_each(function() shell.remove(folder) end)

  local function ldcache(variables)
    shell.write(folder .. "/cache", "")
    return shell.run(("PATH=%s:$PATH CACHE=%s/cache %s .ci/ldcache /p/lib libweir.so.3")
      :format(folder, folder, variables))
  end

  it("is written anew by root, in silence when the library is found", function()
    assert.same({ 0, "", "" }, { ldcache "FOUND='x => /p/lib/libweir.so.3'" })
  end)

  it("is what an install tells of when the library is not found", function()
    local code, _, err = ldcache "FOUND=other"
    assert.equal(0, code)
    assert.matches("does not find /p/lib/libweir.so.3.*LD_LIBRARY_PATH=/p/lib", err)
    code, _, err = ldcache "USER_ID=1000 FOUND='x => /p/lib/libweir.so.3'"
    assert.equal(0, code)
    assert.matches("Run ldconfig as root", err)
  end)
end)
