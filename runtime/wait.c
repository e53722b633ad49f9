/* wait.c -- a connector waits: until its fd is ready, or the call must end. */
#include <errno.h>

#include "clock.h"
#include "pipeline.h"
#include "slice.h"

/* In finish any call of the session may be late, not only the oldest. */
static bool in_finish(const struct slice *s)
{
    return s->pipeline != NULL && s->pipeline->finishing;
}

/* The time at which waits end; 0 = never. */
static uint64_t deadline_of(const struct slice *s)
{
    return in_finish(s) ? s->pipeline->earliest_ns : s->call.deadline_ns;
}

/* A late call is expired and the session goes on, or the session is dropped. */
static int deadline_code(const struct slice *s)
{
    return in_finish(s) && pipeline_expires(s->pipeline) ? -EAGAIN : -ETIMEDOUT;
}

/* Notes that a finish asks whether to go on. */
static void stir(const struct slice *s)
{
    if (s->pipeline != NULL)
        s->pipeline->stirred = true;
}

static bool is_interrupted(const struct slice *s)
{
    return s->sleeper != NULL && atomic_load(&s->sleeper->interrupted);
}

int weir_call_look(struct weir_call *call)
{
    const struct slice *s = slice_of(call);
    uint64_t deadline = deadline_of(s);

    stir(s);
    if (is_interrupted(s))
        return -ECANCELED;
    if (deadline != 0 && weir_now() >= deadline)
        return deadline_code(s);
    return 0;
}

int weir_call_stopped(struct weir_call *call)
{
    const struct slice *s = slice_of(call);

    if (s->batch != NULL && atomic_load(&s->batch->cancelled))
        return -ECANCELED;
    return weir_call_look(call);
}

int weir_call_wait(struct weir_call *call, int fd, short events,
                   uint64_t timeout_ns)
{
    struct slice *s = slice_of(call);
    uint64_t now = weir_now(), deadline = deadline_of(s);
    uint64_t until = clock_after(now, timeout_ns);

    stir(s);
    if (deadline != 0 && deadline < until)
        until = deadline;
    for (;;) {
        int rc;

        if (is_interrupted(s))
            return -ECANCELED;
        if (deadline != 0 && now >= deadline)
            return deadline_code(s);
        rc = sleep_on_fd(s->sleeper, fd, events, until, now);
        if (rc != 0)
            return rc;
        now = weir_now();
        if (now >= until && until != deadline)
            return -ETIMEDOUT;
    }
}
