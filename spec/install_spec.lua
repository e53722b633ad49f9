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

  it("leaves with DESTDIR what PREFIX says", function()
    local stage = shell.folder()
    local make = ("make install DESTDIR=%s PREFIX=/usr"):format(stage)
    assert.equal(0, (shell.run(make, nil, 300)))
    local _, out = shell.run(("cd %s/usr && bin/weir --version && cat lib/pkgconfig/*")
      :format(stage))
    assert.matches("^weir %d", out)
    assert.matches("prefix=/usr\n", out)
    shell.remove(stage)
  end)
end)
