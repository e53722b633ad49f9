/* shared.h -- the structs that C and the Lua half (lua/weir/connector) share.
 *
 * They are declared once: C compiles LUA_SHARED, and gives its text to LuaJIT.
 * One thread at a time uses them. */
#ifndef LUA_SHARED_H
#define LUA_SHARED_H

#include <stdint.h>

#include "connector.h"

/* clang-format off */
#define LUA_SHARED                                                             \
    /* A call in the Lua state. */                                             \
    struct weir_lua_call {                                                     \
        void *call; /* NULL: C has taken it back */                            \
        struct weir_item *items;                                               \
        uint64_t deadline_ns;                                                  \
        uint32_t op, n;                                                        \
        struct weir_lua_call *next; /* in ended, or among C's spare ones */    \
        struct weir_lua_call *older, *newer; /* C's: of those in flight */     \
    };                                                                         \
    /* A question of weir_ask. */                                              \
    struct weir_lua_ask {                                                      \
        const char *words;                                                     \
        struct weir_value *answer; /* or why there is none; NULL: no memory */ \
        uint32_t failed, reserved;                                             \
        struct weir_lua_ask *next;                                             \
    };                                                                         \
    struct weir_lua_shared {                                                   \
        struct weir_lua_call *started; /* the argument of start */             \
        struct weir_lua_call *ended;   /* by the last functions called */      \
        struct weir_lua_ask *asked;    /* the argument of ask */               \
        struct weir_lua_ask *answered;                                         \
        double due; /* seconds until turn has something to do; -1: never */    \
        int fd;     /* of the loop: readable when turn has something to do */  \
    };
/* clang-format on */

LUA_SHARED

#endif
