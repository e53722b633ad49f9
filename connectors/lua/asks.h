/* asks.h -- questions of weir_ask, on their way to the worker and back. */
#ifndef LUA_ASKS_H
#define LUA_ASKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "shared.h"

struct asks {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct question *first; /* under lock: not yet given to Lua */
    bool closed;            /* under lock: no question is answered any more */
    int fd;                 /* an eventfd: wakes the worker */
    _Atomic bool any;       /* first is not NULL */
};

/* asks_init returns 0 or a negative errno. */
int asks_init(struct asks *a);
void asks_destroy(struct asks *a);

/* asks_close answers all questions that wait, and all later ones: the store is
 * closed. Any thread may call it. */
void asks_close(struct asks *a);

/* asks_put asks, and waits for the answer; see ask in connector.h. */
int asks_put(struct asks *a, const char *words, uint64_t deadline_ns,
             struct weir_value **out, struct weir_error *err);

/* asks_next returns a question that Lua has not had, or NULL. On the worker. */
struct weir_lua_ask *asks_next(struct asks *a);

/* asks_take hands a list of answers of Lua to the threads that asked. On the
 * worker. */
void asks_take(struct asks *a, struct weir_lua_ask *list);

#endif
