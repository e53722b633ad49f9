lua_PKGS := luajit
