/* vm.c -- the Lua state of a store.
 *
 * The state is made and the tree is loaded on the thread of weir_open, so that
 * weir_open can say what is wrong with the file. Then the worker uses it, and
 * after the worker has ended the thread of weir_close: one thread at a time,
 * which is all that a Lua state asks for. */
#include "vm.h"

#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_OF(...) #__VA_ARGS__
#define TEXT(...) TEXT_OF(__VA_ARGS__)

static const char DECLARATIONS[] = TEXT(LUA_SHARED);

enum { LOOKED = 1024 }; /* bytes of the list of places */

/* ---- where the Lua files are ---- */

static bool has_files(const char *folder, char *looked)
{
    char file[PATH_MAX + 32];
    size_t len = strlen(looked);

    snprintf(file, sizeof file, "%s/weir/connector.lua", folder);
    snprintf(looked + len, LOOKED - len, "%s%s", len ? ", " : "", file);
    return access(file, R_OK) == 0;
}

/* The folder of libweir.so, and its path. */
static int find_library(char *library, char *folder)
{
    Dl_info self;
    char *slash;

    if (dladdr((void *)weir_version, &self) == 0 || self.dli_fname == NULL ||
        realpath(self.dli_fname, library) == NULL)
        return -ENOENT;
    snprintf(folder, PATH_MAX, "%s", library);
    slash = strrchr(folder, '/');
    *slash = '\0';
    return 0;
}

/* Fills in the path of libweir.so and the folder that holds weir/, as an
 * installation or a source tree has them. */
static int find_files(char *library, char *lua, struct weir_error *err)
{
    static const char *const PLACES[] = {"../share/lua/5.1", "../lua",
                                         "../../share/lua/5.1", "../../lua"};
    const char *given = secure_getenv("WEIR_LUA");
    char folder[PATH_MAX], looked[LOOKED] = "";

    if (find_library(library, folder) < 0)
        return weir_error_set(err, -ENOENT,
                              "lua: cannot find out where libweir.so is");
    if (given != NULL && *given != '\0') {
        snprintf(lua, PATH_MAX, "%s", given);
        if (has_files(lua, looked))
            return 0;
        return weir_error_set(err, -ENOENT,
                              "lua: WEIR_LUA is not the folder of weir's Lua "
                              "files; looked at %s",
                              looked);
    }
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        if (snprintf(lua, PATH_MAX, "%s/%s", folder, PLACES[i]) < PATH_MAX &&
            has_files(lua, looked))
            return 0;
    }
    return weir_error_set(err, -ENOENT,
                          "lua: cannot find weir's Lua files (WEIR_LUA names "
                          "their folder); looked at %s",
                          looked);
}

/* ---- loading ---- */

/* Leaves the Lua half on the stack. Raises. */
static int load_half(lua_State *L)
{
    const char *library = lua_touserdata(L, 1), *lua = lua_touserdata(L, 2);

    luaL_openlibs(L);
    lua_getglobal(L, "jit");
    if (lua_isnil(L, -1))
        return luaL_error(L, "this program has another Lua loaded, which is "
                             "not LuaJIT");
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;", lua, lua);
    lua_getfield(L, -2, "path");
    lua_concat(L, 2);
    lua_setfield(L, -2, "path");
    lua_getfield(L, -1, "loaded");
    lua_pushstring(L, library);
    lua_setfield(L, -2, "weir.library");
    lua_getglobal(L, "require");
    lua_pushliteral(L, "weir.connector");
    lua_call(L, 1, 1);
    return 1;
}

static int load_error(lua_State *L, struct weir_error *err)
{
    size_t len;
    const char *words;

    if (luaL_callmeta(L, -1, "__tostring"))
        lua_replace(L, -2);
    words = lua_tolstring(L, -1, &len);
    return weir_error_set(err, -EINVAL, "lua: %s",
                          words != NULL ? words : "an error without words");
}

static int load(struct lua_store *s, char *library, char *lua,
                struct weir_error *err)
{
    lua_State *L = s->L;

    lua_pushcfunction(L, load_half);
    lua_pushlightuserdata(L, library);
    lua_pushlightuserdata(L, lua);
    if (lua_pcall(L, 2, 1, 0) != 0)
        return load_error(L, err);
    lua_pushlightuserdata(L, &s->shared);
    lua_pushlstring(L, DECLARATIONS, sizeof DECLARATIONS - 1);
    lua_pushstring(L, s->config->file);
    if (lua_pcall(L, 3, LUA_FUNCTIONS - 1, 0) != 0)
        return load_error(L, err);
    for (int i = LUA_FUNCTIONS - 1; i >= 1; i--)
        s->functions[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

int vm_open(struct lua_store *s, struct weir_error *err)
{
    char library[PATH_MAX], lua[PATH_MAX];
    int rc = find_files(library, lua, err);

    if (rc < 0)
        return rc;
    s->L = luaL_newstate();
    if (s->L == NULL)
        return weir_error_set(err, -ENOMEM, "lua: no memory for a Lua state");
    s->watch.L = s->L;
    rc = load(s, library, lua, err);
    if (rc < 0)
        lua_close(s->L);
    return rc;
}

void vm_call(struct lua_store *s, enum lua_function function)
{
    lua_rawgeti(s->L, LUA_REGISTRYINDEX, s->functions[function]);
    watch_enter(&s->watch);
    if (lua_pcall(s->L, 0, 0, 0) != 0)
        lua_pop(s->L, 1);
    watch_leave(&s->watch);
}

void vm_stop(struct lua_store *s)
{
    vm_call(s, LUA_STOP);
}

void vm_free(struct lua_store *s)
{
    lua_close(s->L);
}
