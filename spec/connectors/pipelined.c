/* pipelined.c -- a connector with start and finish: answers arrive in order,
 * when its test program stops holding them. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "connector.h"
#include "scripted.h"

struct pipelined_config {
    const char *script; /* the address of a struct script, in hexadecimal */
};

static const struct weir_option PIPELINED_OPTIONS[] = {
    {.name = "script",
     .type = WEIR_STRING,
     .required = 1,
     .offset = offsetof(struct pipelined_config, script),
     .help = "address of the script"},
    {.name = NULL},
};

struct session {
    struct script *script;
    struct weir_call *oldest, *newest; /* linked by call->link */
};

static int pipelined_open(const void *config, const char *scheme, void **state,
                          struct weir_error *err)
{
    const struct pipelined_config *c = config;

    (void)scheme;
    (void)err;
    *state = (void *)(uintptr_t)strtoull(c->script, NULL, 16);
    return 0;
}

static void pipelined_close(void *state)
{
    struct script *script = state;

    atomic_fetch_add(&script->closes, 1);
}

static int pipelined_connect(void *state, void *session, struct weir_call *call)
{
    (void)call;
    ((struct session *)session)->script = state;
    atomic_fetch_add(&((struct script *)state)->connects, 1);
    return 0;
}

static void pipelined_disconnect(void *session)
{
    atomic_fetch_add(&((struct session *)session)->script->disconnects, 1);
}

static int pipelined_start(void *session, struct weir_call *call)
{
    struct session *s = session;
    uint32_t inside = atomic_fetch_add(&s->script->inside, 1) + 1;

    atomic_fetch_add(&s->script->calls, 1);
    if (inside > s->script->most_inside)
        s->script->most_inside = inside;
    call->link = NULL;
    if (s->oldest == NULL)
        s->oldest = call;
    else
        s->newest->link = call;
    s->newest = call;
    return 0;
}

/* Takes a call off the list. */
static void unlist(struct session *s, struct weir_call *call)
{
    struct weir_call *before = s->oldest;

    atomic_fetch_sub(&s->script->inside, 1);
    if (before == call) {
        s->oldest = call->link;
        return;
    }
    while (before->link != call)
        before = before->link;
    before->link = call->link;
    if (s->newest == call)
        s->newest = before;
}

/* Answers the last call, so late that the store closes meanwhile. */
static int end_last(struct session *s)
{
    const struct timespec nap = {.tv_nsec = 200000000};
    struct weir_call *last = s->newest;

    s->script->hasty = false;
    nanosleep(&nap, NULL);
    for (uint32_t i = 0; i < last->n; i++)
        last->items[i].status = WEIR_OK;
    unlist(s, last);
    weir_call_end(last);
    return -EAGAIN;
}

static int pipelined_finish(void *session, struct weir_call *call)
{
    struct session *s = session;

    if (s->oldest != call)
        abort(); /* the runtime finishes in order */
    if (s->script->deaf)
        return -EAGAIN; /* without a wait */
    if (s->script->hasty && s->newest != call)
        return end_last(s);
    while (s->script->hold) {
        int rc = weir_call_wait(call, -1, 0, 1000000);

        if (rc == -ETIMEDOUT)
            rc = weir_call_stopped(call);
        s->script->closed |= rc == -ECANCELED;
        if (rc != 0)
            return rc;
    }
    if (s->script->answer == ANSWER_BREAK) {
        s->script->inside = 0;
        return -ECONNRESET;
    }
    for (uint32_t i = 0; i < call->n; i++)
        call->items[i].status = WEIR_OK;
    unlist(s, call);
    if (s->script->ends_twice)
        weir_call_end(call);
    return 0;
}

#ifndef WITHOUT_EXPIRE
static int pipelined_expire(void *session, struct weir_call *call)
{
    unlist(session, call);
    weir_call_fail(call, NULL, WEIR_TIMEOUT, "late");
    return 0;
}
#endif

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
#ifdef WITHOUT_EXPIRE
    .name = "unexpiring",
#else
    .name = "pipelined",
    .expire = pipelined_expire,
#endif
    .help = "answers in order, when its test program lets it",
    .options = PIPELINED_OPTIONS,
    .config_size = sizeof(struct pipelined_config),
    .session_size = sizeof(struct session),
    .ops = 1u << WEIR_EXISTS,
    .workers = 1,
    .slice = {.items = 8},
    .window = {.items = 32},
    .open = pipelined_open,
    .close = pipelined_close,
    .connect = pipelined_connect,
    .disconnect = pipelined_disconnect,
    .start = pipelined_start,
    .finish = pipelined_finish,
};
