/* call.c -- what the runtime does for a connector while a call runs. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "status.h"
#include "store.h"
#include "worker.h"

/* While connecting there is no batch yet: what the connector says becomes what
 * the queued ones are told. */
static void explain(struct slice *s, int status, const char *sentence)
{
    if (s->batch != NULL) {
        batch_explain(s->batch, 0, "%s", sentence);
        return;
    }
    weir_error_set(&s->worker->why, -EIO, "%s", sentence);
    if (status_is_error(status))
        s->worker->why_status = status;
}

int weir_call_fail(struct weir_call *call, struct weir_item *item, int status,
                   const char *format, ...)
{
    struct slice *s = slice_of(call);
    char sentence[sizeof((struct weir_error *)0)->message];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    explain(s, status, sentence);
    if (item != NULL) {
        item->status = (uint8_t)status;
        return status;
    }
    for (uint32_t i = 0; i < call->n; i++) {
        if (call->items[i].status == WEIR_PENDING)
            call->items[i].status = (uint8_t)status;
    }
    return status;
}

/* Waits end then (0: never): in finish at the earliest deadline of all calls on
 * the session, not only that of the oldest. */
static uint64_t deadline_of(const struct weir_call *call)
{
    const struct worker *w = ((const struct slice *)call)->worker;

    return w != NULL && w->finishing ? w->earliest_ns : call->deadline_ns;
}

/* What a wait returns for the deadline: late calls can be expired, or cost the
 * session. */
static int deadline_code(const struct weir_call *call)
{
    const struct worker *w = ((const struct slice *)call)->worker;

    return w != NULL && w->finishing && w->store->connector->expire != NULL
               ? -EAGAIN
               : -ETIMEDOUT;
}

/* Whether close wants the call to end. */
static bool is_interrupted(const struct weir_call *call)
{
    const struct slice *s = (const struct slice *)call;

    return s->worker != NULL && atomic_load(&s->worker->interrupted);
}

int weir_call_look(struct weir_call *call)
{
    uint64_t deadline = deadline_of(call);

    if (is_interrupted(call))
        return -ECANCELED;
    if (deadline != 0 && weir_now() >= deadline)
        return deadline_code(call);
    return 0;
}

int weir_call_stopped(struct weir_call *call)
{
    const struct slice *s = slice_of(call);

    if (s->batch != NULL && atomic_load(&s->batch->cancelled))
        return -ECANCELED;
    return weir_call_look(call);
}

/* The worker was rung: for new work, or to be interrupted. */
static bool rung_for_work(struct worker *w)
{
    eventfd_t rings;

    eventfd_read(w->fd, &rings);
    return w->listening && !atomic_load(&w->interrupted);
}

enum look { LOOK_NOTHING, LOOK_READY, LOOK_WORK };

/* A wake-up costs more than a short look: for spin_ns, whether the answer or
 * new work comes first, letting others run. */
static enum look look_around(struct worker *w, struct pollfd *p)
{
    uint64_t until = weir_now() + w->store->config.spin_ns;

    while (p->fd >= 0 && weir_now() < until) {
        if (atomic_load_explicit(&w->lane->waiting, memory_order_relaxed))
            return LOOK_WORK;
        if (poll(p, 1, 0) > 0)
            return LOOK_READY;
        sched_yield();
    }
    return LOOK_NOTHING;
}

/* A finish that may sleep now: true: there is work, it must not. From here on
 * submitters ring; not before, since a ring for a worker that is awake wakes it
 * once more for nothing. */
static bool work_came(struct worker *w, struct pollfd *p)
{
    enum look look;

    if (w == NULL || !w->listening || w->resting)
        return false;
    look = look_around(w, p);
    if (look != LOOK_NOTHING)
        return look == LOOK_WORK;
    switch (lane_rest(w->lane, w)) {
    case REST_WORK:
        return true;
    case REST_SLEEP:
        w->resting = true;
        return false;
    default:
        return false;
    }
}

int weir_call_wait(struct weir_call *call, int fd, short events,
                   uint64_t timeout_ns)
{
    struct worker *w = slice_of(call)->worker;
    struct pollfd p[2] = {{.fd = fd, .events = events},
                          {.fd = w ? w->fd : -1, .events = POLLIN}};
    uint64_t now = weir_now(), deadline = deadline_of(call);
    uint64_t until = now + timeout_ns;

    if (until < now)
        until = UINT64_MAX;
    if (deadline != 0 && deadline < until)
        until = deadline;
    for (;;) {
        struct timespec left = {0};
        int rc;

        if (is_interrupted(call))
            return -ECANCELED;
        if (deadline != 0 && now >= deadline)
            return deadline_code(call);
        if (work_came(w, p))
            return -EAGAIN;
        if (until > now) {
            left.tv_sec = (time_t)((until - now) / 1000000000u);
            left.tv_nsec = (long)((until - now) % 1000000000u);
        }
        rc = ppoll(p, 2, until == UINT64_MAX ? NULL : &left, NULL);
        if (rc < 0 && errno != EINTR)
            return -errno;
        if (rc > 0 && p[0].revents != 0)
            return p[0].revents;
        if (rc > 0 && rung_for_work(w))
            return -EAGAIN;
        now = weir_now();
        if (now >= until && until != deadline)
            return -ETIMEDOUT;
    }
}
