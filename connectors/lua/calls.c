/* calls.c -- calls of the runtime in the Lua state.
 *
 * start gives a call to Lua, which runs the request in a task. finish and idle
 * run the loop of Lua: a turn, then a wait until its fd is readable, its next
 * timer is due, or work comes. Requests end in any order: Lua puts the calls
 * that have ended on a list, and they end after each run of Lua.
 *
 * A late call is taken back: it is answered, and Lua throws the reply away when
 * it comes. Policies pass the deadline on, so that is soon. More than LATE_MAX
 * such requests mean that a policy ignores deadlines, and new calls are BUSY.
 */
#include "calls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "vm.h"

enum { LATE_MAX = 1024 };

/* ---- the lists ---- */

static struct weir_lua_call *call_new(struct lua_store *s,
                                      struct weir_call *call)
{
    struct weir_lua_call *c = s->spare;

    if (c != NULL)
        s->spare = c->next;
    else
        c = malloc(sizeof *c);
    if (c == NULL)
        return NULL;
    *c = (struct weir_lua_call){.call = call,
                                .items = call->items,
                                .deadline_ns = call->deadline_ns,
                                .op = call->op,
                                .n = call->n,
                                .older = s->running};
    if (s->running != NULL)
        s->running->newer = c;
    s->running = c;
    call->link = c;
    return c;
}

static void unlist(struct lua_store *s, struct weir_lua_call *c)
{
    if (c->newer != NULL)
        c->newer->older = c->older;
    else
        s->running = c->older;
    if (c->older != NULL)
        c->older->newer = c->newer;
    s->stale |= c->deadline_ns != 0;
}

/* Tells the watch the first deadline in flight, before Lua runs. */
static void note_earliest(struct lua_store *s)
{
    uint64_t earliest = 0;

    if (!s->stale)
        return;
    s->stale = false;
    for (struct weir_lua_call *c = s->running; c != NULL; c = c->older) {
        if (c->deadline_ns != 0 && (earliest == 0 || c->deadline_ns < earliest))
            earliest = c->deadline_ns;
    }
    atomic_store_explicit(&s->watch.earliest_ns, earliest,
                          memory_order_relaxed);
}

static void note_deadline(struct lua_store *s, uint64_t deadline_ns)
{
    uint64_t earliest;

    note_earliest(s);
    earliest =
        atomic_load_explicit(&s->watch.earliest_ns, memory_order_relaxed);
    if (deadline_ns != 0 && (earliest == 0 || deadline_ns < earliest))
        atomic_store_explicit(&s->watch.earliest_ns, deadline_ns,
                              memory_order_relaxed);
}

/* Ends the calls that Lua has answered. Returns how many of them the runtime
 * waited for. */
static uint32_t end_calls(struct lua_store *s)
{
    uint32_t n = 0;

    while (s->shared.ended != NULL) {
        struct weir_lua_call *c = s->shared.ended;

        s->shared.ended = c->next;
        if (c->call != NULL) {
            n++;
            unlist(s, c);
            weir_call_end(c->call);
        } else {
            s->late--;
        }
        c->next = s->spare;
        s->spare = c;
    }
    return n;
}

/* Lua keeps the call until its request ends. */
static void take_back(struct lua_store *s, struct weir_lua_call *c)
{
    unlist(s, c);
    c->call = NULL;
    s->late++;
}

void calls_free(struct lua_store *s)
{
    end_calls(s);
    while (s->spare != NULL) {
        struct weir_lua_call *c = s->spare;

        s->spare = c->next;
        free(c);
    }
}

/* ---- the slots ---- */

int calls_start(void *session, struct weir_call *call)
{
    struct lua_store *s = session;
    struct weir_lua_call *c;

    if (s->late >= LATE_MAX) {
        weir_call_fail(call, NULL, WEIR_BUSY,
                       "%d requests past their deadline still run in the "
                       "policies",
                       LATE_MAX);
        weir_call_end(call);
        return 0;
    }
    c = call_new(s, call);
    if (c == NULL) {
        weir_call_no_memory(call, NULL, "a request");
        weir_call_end(call);
        return 0;
    }
    note_deadline(s, c->deadline_ns);
    s->shared.started = c;
    vm_call(s, LUA_START);
    end_calls(s);
    return 0;
}

/* Gives the questions of weir_ask to Lua. */
static void ask_lua(struct lua_store *s)
{
    while ((s->shared.asked = asks_next(&s->asks)) != NULL)
        vm_call(s, LUA_ASK);
}

void calls_take_answers(struct lua_store *s)
{
    struct weir_lua_ask *list = s->shared.answered;

    s->shared.answered = NULL;
    asks_take(&s->asks, list);
}

/* A turn of the loop. Returns how many calls have ended. */
static uint32_t turn(struct lua_store *s)
{
    note_earliest(s);
    ask_lua(s);
    vm_call(s, LUA_TURN);
    calls_take_answers(s);
    return end_calls(s);
}

static uint64_t due_ns(const struct lua_store *s)
{
    return s->shared.due < 0 ? UINT64_MAX : (uint64_t)(s->shared.due * 1e9);
}

/* Runs the loop until a call ends, or a wait does. Returns 0, or what
 * weir_call_wait did. */
static int run_loop(struct lua_store *s, struct weir_call *call)
{
    for (;;) {
        int rc;

        if (turn(s) > 0)
            return 0;
        rc = weir_call_wait(call, s->shared.fd, POLLIN, due_ns(s));
        if (rc < 0 && rc != -ETIMEDOUT)
            return rc;
    }
}

int calls_finish(void *session, struct weir_call *call)
{
    struct lua_store *s = session;
    int rc = run_loop(s, call);

    if (rc == 0 || rc == -EAGAIN)
        return -EAGAIN;
    /* The runtime answers the calls in flight. */
    while (s->running != NULL)
        take_back(s, s->running);
    return rc;
}

void calls_idle(void *session, struct weir_call *call)
{
    run_loop(session, call);
}

int calls_expire(void *session, struct weir_call *call)
{
    struct lua_store *s = session;

    take_back(s, call->link);
    weir_call_fail(call, NULL, WEIR_TIMEOUT, "no answer in time");
    return 0;
}
