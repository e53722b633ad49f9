/* watch.h -- ends Lua code that runs on while others wait. */
#ifndef LUA_WATCH_H
#define LUA_WATCH_H

#include <lua.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct watch {
    lua_State *L; /* set before the first turn */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop; /* under lock */

    _Atomic uint64_t turn;        /* odd while Lua runs */
    _Atomic uint64_t earliest_ns; /* the first deadline in flight; 0 = none */
    _Atomic bool hurry;           /* the store closes */
    _Atomic bool asleep;          /* the thread waits for a turn to begin */
    _Atomic bool hooked;          /* the hook is set, or about to be */
};

/* watch_start starts the thread. Returns 0 or a negative errno. */
int watch_start(struct watch *w);

/* watch_stop ends and joins it. */
void watch_stop(struct watch *w);

/* watch_hurry makes whatever runs on end soon. Any thread may call it. */
void watch_hurry(struct watch *w);

/* watch_calm forgets that, and the deadlines: no call is in flight. */
void watch_calm(struct watch *w);

/* watch_wake wakes the thread because a turn began. */
void watch_wake(struct watch *w);

/* watch_unhook removes the hook. */
void watch_unhook(struct watch *w);

/* watch_enter and watch_leave stand around each run of Lua. */
static inline void watch_enter(struct watch *w)
{
    atomic_fetch_add(&w->turn, 1);
    if (atomic_load(&w->asleep))
        watch_wake(w);
}

static inline void watch_leave(struct watch *w)
{
    atomic_fetch_add(&w->turn, 1);
    if (atomic_load(&w->hooked))
        watch_unhook(w);
}

#endif
