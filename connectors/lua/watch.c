/* watch.c -- ends Lua code that runs on while others wait.
 *
 * A policy file is code, and one thread runs it. A function that never returns
 * stops all calls of the store. So a thread looks every TICK_NS whether Lua has
 * run since the last look without coming back to C. Once the deadline of a call
 * in flight has passed, or the store closes, or Lua has run for LONGEST_NS, it
 * sets a hook, which raises an error in the function that runs. The request of
 * that function fails with the error, and all others go on.
 *
 * What is not ended: code that catches each such error and goes on, and code
 * that ignores hooks: a function of C (one string.rep of a huge string) and
 * what LuaJIT has compiled. The functions of the policy file are not compiled
 * for this reason (lua/weir/language/load.lua). Those of modules that the file
 * requires are.
 *
 * lua_sethook may be called asynchronously. The lock makes sure that the hook
 * is removed before the next turn. The thread sleeps while Lua does not run. */
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "weir.h"

#define TICK_NS 50000000u      /* 50 ms */
#define LONGEST_NS 5000000000u /* 5 s */

/* ---- the hook, on the thread that runs Lua ---- */

static void end_function(lua_State *L, lua_Debug *at)
{
    lua_sethook(L, NULL, 0, 0);
    lua_getinfo(L, "Sl", at);
    lua_pushfstring(L,
                    "%s:%d: this ran on without waiting or returning, and "
                    "was ended",
                    at->short_src, at->currentline);
    lua_error(L);
}

void watch_unhook(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    lua_sethook(w->L, NULL, 0, 0);
    atomic_store(&w->hooked, false);
    pthread_mutex_unlock(&w->lock);
}

/* Under the lock. The order matters: a turn that ends after this look sees
 * hooked, and waits for the lock to remove the hook. */
static void hook(struct watch *w, uint64_t turn)
{
    atomic_store(&w->hooked, true);
    if (atomic_load(&w->turn) == turn)
        lua_sethook(w->L, end_function, LUA_MASKCOUNT, 1);
}

/* ---- the thread ---- */

static bool is_over(struct watch *w, uint64_t began, uint64_t now)
{
    uint64_t deadline = atomic_load(&w->earliest_ns);

    return atomic_load(&w->hurry) || now - began >= LONGEST_NS ||
           (deadline != 0 && now >= deadline);
}

/* Under the lock: waits for the next turn to begin. */
static void await_turn(struct watch *w, uint64_t turn)
{
    atomic_store(&w->asleep, true);
    while (!w->stop && atomic_load(&w->turn) == turn)
        pthread_cond_wait(&w->changed, &w->lock);
    atomic_store(&w->asleep, false);
}

static void tick(struct watch *w)
{
    uint64_t until = weir_now() + TICK_NS;
    struct timespec t = {(time_t)(until / 1000000000u),
                         (long)(until % 1000000000u)};

    while (!w->stop &&
           pthread_cond_timedwait(&w->changed, &w->lock, &t) != ETIMEDOUT)
        ;
}

static void *watch_main(void *arg)
{
    struct watch *w = arg;
    uint64_t seen = 0, began = 0;

    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        uint64_t turn = atomic_load(&w->turn), now = weir_now();

        if (turn != seen) {
            seen = turn;
            began = now;
        } else if (turn % 2 == 0) {
            await_turn(w, turn);
        } else if (is_over(w, began, now)) {
            hook(w, turn);
        }
        tick(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

void watch_wake(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void watch_hurry(struct watch *w)
{
    atomic_store(&w->hurry, true);
}

void watch_calm(struct watch *w)
{
    atomic_store(&w->hurry, false);
    atomic_store(&w->earliest_ns, 0);
}

static int start_thread(struct watch *w)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&w->thread, NULL, watch_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

int watch_start(struct watch *w)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    return start_thread(w);
}

void watch_stop(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}
