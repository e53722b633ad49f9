/* state.h -- a store that runs a policy tree. */
#ifndef LUA_STATE_H
#define LUA_STATE_H

#include <lua.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "asks.h"
#include "shared.h"
#include "watch.h"

struct lua_config {
    const char *file;
};

/* The functions of the Lua half, kept in the registry in this order. */
enum lua_function { LUA_START = 1, LUA_TURN, LUA_ASK, LUA_STOP, LUA_FUNCTIONS };

struct lua_store {
    const struct lua_config *config;
    lua_State *L;
    int functions[LUA_FUNCTIONS];
    struct weir_lua_shared shared;
    struct watch watch;
    struct asks asks;

    /* The worker's own. */
    struct weir_lua_call *running; /* in flight for the runtime */
    struct weir_lua_call *spare;   /* for further calls */
    bool stale;    /* the watch does not know the first deadline in flight */
    uint32_t late; /* taken back while they run in Lua */
};

#endif
