/* pipeline.c -- the slices in flight on one session.
 *
 * With a connector that has start and finish, a worker starts slices while the
 * window (items, bytes) has room, and finishes the oldest. So the requests of
 * one slice travel while the replies of another arrive, also across batches.
 * While it waits in finish, new work wakes it (sleep.c): finish returns
 * -EAGAIN, the worker starts the new slice and finishes again.
 *
 * A wait in finish ends at the earliest deadline of all slices, not only of the
 * oldest. The connector is then asked to expire each late slice: its items are
 * answered, its batch finishes, and the session goes on with the others. A
 * connector that cannot expire loses the session.
 *
 * Slices may end in any order (weir_call_end). The list of those in flight is
 * in the order of their start.
 *
 * A session that breaks takes all its slices with it. Their pending items may
 * have been applied: they get TIMEOUT if their deadline has passed, else RESET.
 * The next slice connects anew. */
#include "pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finish.h"

#define NO_ANSWER "no answer in time"

enum { CALLS = 64 }; /* in flight at most, where the connector does not say */

/* ---- the slices ---- */

int pipeline_init(struct pipeline *p, struct session *session,
                  struct stats *stats)
{
    const struct weir_connector *c = session->store->connector;

    p->session = session;
    p->stats = stats;
    p->max = c->start == NULL ? 1 : c->calls ? c->calls : CALLS;
    p->slices = calloc(p->max, sizeof *p->slices);
    if (p->slices == NULL)
        return -ENOMEM;
    for (uint32_t i = p->max; i-- > 0;) {
        p->slices[i].next = p->unused;
        p->unused = &p->slices[i];
    }
    return 0;
}

void pipeline_destroy(struct pipeline *p)
{
    free(p->slices);
}

static struct slice *slice_take(struct pipeline *p)
{
    struct slice *s = p->unused;

    p->unused = s->next;
    *s = (struct slice){.previous = p->newest};
    if (p->newest != NULL)
        p->newest->next = s;
    else
        p->oldest = s;
    p->newest = s;
    p->n++;
    return s;
}

static void slice_put(struct pipeline *p, struct slice *s)
{
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        p->oldest = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    else
        p->newest = s->previous;
    s->batch = NULL;
    s->next = p->unused;
    p->unused = s;
    p->n--;
}

bool pipeline_has_room(const struct pipeline *p)
{
    const struct weir_slice *window = &p->session->store->window;

    return p->n == 0 || (!p->session->retiring && p->n < p->max &&
                         p->items < window->items && p->bytes < window->bytes);
}

static bool is_late(const struct slice *s, uint64_t now)
{
    return s->call.deadline_ns != 0 && now >= s->call.deadline_ns;
}

/* ---- the end of slices ---- */

/* A second end of a call would give its place in the pipeline to two calls.
 * Nothing here can mend a connector that does so. */
static _Noreturn void die_of_second_end(const struct pipeline *p)
{
    fprintf(stderr,
            "weir: connector %s ended a call twice; after weir_call_end its "
            "finish returns -EAGAIN\n",
            p->session->store->connector->name);
    abort();
}

/* All items of the slice are answered. */
static void slice_done(struct pipeline *p, struct slice *s)
{
    struct batch *b = s->batch;
    uint32_t n = s->call.n;
    uint64_t now = weir_now();

    if (b == NULL)
        die_of_second_end(p);
    finish_items(b, p->stats, s->call.items, n);
    histogram_add(&p->stats->op[b->pub.op].service, now - s->started_ns);
    p->items -= n;
    p->bytes -= s->bytes;
    p->stirred = true;
    slice_put(p, s);
    if (!batch_answered(b, n))
        return;
    if (p->n == 0 && !p->finishing)
        sleeper_offer(p->session->sleeper);
    finish_batch(b);
}

static void slice_fail(struct slice *s, int status, int rc)
{
    if (status == WEIR_TIMEOUT)
        weir_call_fail(&s->call, NULL, status, NO_ANSWER);
    else
        weir_call_fail(&s->call, NULL, status, "session dropped: %s",
                       rc == -ETIMEDOUT   ? NO_ANSWER
                       : rc == -ECANCELED ? "interrupted by close"
                                          : strerror(-rc));
}

static bool has_pending(const struct slice *s)
{
    for (uint32_t i = 0; i < s->call.n; i++) {
        if (s->call.items[i].status == WEIR_PENDING)
            return true;
    }
    return false;
}

static bool any_late(const struct pipeline *p, uint64_t now)
{
    for (const struct slice *s = p->oldest; s != NULL; s = s->next) {
        if (is_late(s, now))
            return true;
    }
    return false;
}

/* The session broke in culprit. The slices end in the order of their start. */
static void session_broke(struct pipeline *p, const struct slice *culprit,
                          int rc)
{
    uint64_t now = weir_now();
    bool deadline = rc == -ETIMEDOUT && any_late(p, now);

    session_drop(p->session);
    while (p->n > 0) {
        struct slice *s = p->oldest;
        bool late =
            deadline ? is_late(s, now) : rc == -ETIMEDOUT && s == culprit;

        if (has_pending(s))
            slice_fail(s, late ? WEIR_TIMEOUT : WEIR_RESET, rc);
        slice_done(p, s);
    }
}

/* Expires one late slice. false: the session broke. */
static bool expire_slice(struct pipeline *p, struct slice *s)
{
    struct session *session = p->session;
    int rc = session->store->connector->expire(session->memory, &s->call);

    if (rc == 0)
        slice_done(p, s);
    else if (rc == -EBUSY)
        s->call.deadline_ns = 0;
    else
        session_broke(p, s, rc);
    return rc == 0 || rc == -EBUSY;
}

/* Expires the late slices and finds the next deadline. */
static void expire_late(struct pipeline *p)
{
    uint64_t now = weir_now(), next = 0;

    if (!pipeline_expires(p) || p->earliest_ns == 0 || now < p->earliest_ns)
        return;
    for (struct slice *s = p->oldest, *following; s != NULL; s = following) {
        following = s->next;
        if (s->call.deadline_ns == 0)
            continue;
        if (is_late(s, now)) {
            if (!expire_slice(p, s))
                break;
        } else if (next == 0 || s->call.deadline_ns < next) {
            next = s->call.deadline_ns;
        }
    }
    p->earliest_ns = next;
}

/* ---- starting and finishing ---- */

static struct slice *slice_new(struct pipeline *p, const struct claim *claim)
{
    struct slice *s = slice_take(p);
    struct batch *b = claim->batch;

    s->call = (struct weir_call){.op = b->pub.op,
                                 .n = claim->n,
                                 .items = b->pub.items + claim->first,
                                 .deadline_ns = b->deadline_ns};
    s->batch = b;
    s->sleeper = p->session->sleeper;
    s->pipeline = p;
    s->bytes = claim->bytes;
    s->started_ns = weir_now();
    histogram_add(&p->stats->op[b->pub.op].queue,
                  s->started_ns - b->submitted_ns);
    p->items += claim->n;
    p->bytes += claim->bytes;
    if (p->n == 1)
        p->earliest_ns = 0;
    if (b->deadline_ns != 0 &&
        (p->earliest_ns == 0 || b->deadline_ns < p->earliest_ns))
        p->earliest_ns = b->deadline_ns;
    return s;
}

void pipeline_start(struct pipeline *p, const struct claim *claim)
{
    const struct weir_connector *c = p->session->store->connector;
    void *memory = p->session->memory;
    struct slice *s = slice_new(p, claim);
    int rc = c->start != NULL ? c->start(memory, &s->call)
                              : c->run(memory, &s->call);

    if (rc < 0)
        session_broke(p, s, rc);
    else if (c->start == NULL)
        slice_done(p, s);
}

/* Why the session cannot go on although its finish says -EAGAIN, or 0. A finish
 * that waits in weir_call_wait is told so there, and takes its calls back. One
 * that neither waits nor ends a call would be called again for ever. */
static int reason_to_break(const struct pipeline *p)
{
    if (p->stirred)
        return 0;
    if (atomic_load(&p->session->sleeper->interrupted))
        return -ECANCELED;
    if (pipeline_expires(p) || p->earliest_ns == 0)
        return 0;
    return any_late(p, weir_now()) ? -ETIMEDOUT : 0;
}

/* Finish said -EAGAIN. */
static void go_on(struct pipeline *p)
{
    int rc = reason_to_break(p);

    expire_late(p);
    if (rc < 0 && p->n > 0)
        session_broke(p, p->oldest, rc);
}

void pipeline_finish(struct pipeline *p)
{
    struct session *session = p->session;
    struct slice *s = p->oldest;
    int rc;

    sleep_begin_finish(session->sleeper, pipeline_has_room(p));
    p->finishing = true;
    p->stirred = false;
    rc = session->store->connector->finish(session->memory, &s->call);
    p->finishing = false;
    sleep_end_finish(session->sleeper);
    session->retiring |= rc > 0;
    if (rc >= 0)
        slice_done(p, s);
    else if (rc == -EAGAIN)
        go_on(p);
    else
        session_broke(p, s, rc);
}

void weir_call_end(struct weir_call *call)
{
    struct slice *s = slice_of(call);

    if (s->pipeline == NULL ||
        s->pipeline->session->store->connector->start == NULL)
        call->n = 0;
    else
        slice_done(s->pipeline, s);
}

/* ---- nothing in flight ---- */

bool pipeline_has_idle(const struct pipeline *p)
{
    const struct weir_connector *c = p->session->store->connector;

    return c->idle != NULL && (c->connect == NULL || p->session->open);
}

void pipeline_idle(struct pipeline *p)
{
    struct session *session = p->session;
    struct slice nothing = {.sleeper = session->sleeper, .pipeline = p};

    p->earliest_ns = 0;
    sleep_begin_finish(session->sleeper, true);
    p->finishing = true;
    session->store->connector->idle(session->memory, &nothing.call);
    p->finishing = false;
    sleep_end_finish(session->sleeper);
}
