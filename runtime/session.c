/* session.c -- a worker's connection to the backend.
 *
 * A session is connected when there is work for it. When the connect fails, or
 * the lane is under backoff (health.c), the queued batches fail at once with
 * the reason, unless another session of the lane works. A worker that was woken
 * and has no session wakes a sleeper that has one before it connects. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "slice.h"

int session_init(struct session *s, struct weir_store *store, struct lane *lane,
                 struct sleeper *sleeper)
{
    size_t size = store->connector->session_size;

    s->store = store;
    s->lane = lane;
    s->sleeper = sleeper;
    s->memory = size > 0 ? calloc(1, size) : store->state;
    pthread_mutex_init(&s->lock, NULL);
    return s->memory == NULL && size > 0 ? -ENOMEM : 0;
}

void session_destroy(struct session *s)
{
    pthread_mutex_destroy(&s->lock);
    if (s->store->connector->session_size > 0)
        free(s->memory);
}

/* ---- connecting ---- */

/* Under the session's lock, because an interrupt may read the session at any
 * time. */
static void begin_connect(struct session *s, uint64_t now)
{
    pthread_mutex_lock(&s->lock);
    memset(s->memory, 0, s->store->connector->session_size);
    s->connecting_ns = now;
    pthread_mutex_unlock(&s->lock);
}

static void end_connect(struct session *s)
{
    pthread_mutex_lock(&s->lock);
    s->connecting_ns = 0;
    pthread_mutex_unlock(&s->lock);
}

static void connected(struct session *s)
{
    health_connected(&s->lane->health);
    s->open = true;
    sleeper_set_session(s->sleeper, true);
    if (s->was_open)
        stats_add(&s->store->reconnects, 1);
    s->was_open = true;
}

static enum ready not_connected(struct session *s, int rc)
{
    struct failure *failure = &s->failure;

    if (atomic_load(&s->sleeper->interrupted)) {
        weir_error_set(&failure->error, -ESHUTDOWN, "closed");
        failure->status = WEIR_SKIPPED;
    } else if (failure->error.code == 0) {
        weir_error_set(&failure->error, rc, "cannot connect: %s",
                       strerror(-rc));
    }
    stats_add(&s->store->connect_failures, 1);
    return health_failed(&s->lane->health, &s->store->config, failure);
}

static enum ready session_connect(struct session *s)
{
    uint64_t now = weir_now();
    struct slice connecting = {
        .call.deadline_ns = now + s->store->config.connect_timeout_ns,
        .sleeper = s->sleeper,
        .failure = &s->failure,
    };
    int rc;

    s->failure.error.code = 0;
    s->failure.status = WEIR_UNAVAILABLE;
    begin_connect(s, now);
    rc = s->store->connector->connect(s->store->state, s->memory,
                                      &connecting.call);
    end_connect(s);
    if (rc != 0)
        return not_connected(s, rc);
    connected(s);
    return READY_YES;
}

enum ready session_ready(struct session *s, bool idle)
{
    const struct weir_connector *c = s->store->connector;
    enum ready ready;

    if (c->connect == NULL)
        return READY_YES;
    if (s->open && idle &&
        (s->retiring || (c->check != NULL && c->check(s->memory) != 0)))
        session_drop(s);
    if (s->open)
        return READY_YES;
    sleeper_is_connecting(s->sleeper);
    ready = health_ready(&s->lane->health, &s->store->config, &s->failure);
    return ready == READY_YES ? session_connect(s) : ready;
}

void session_drop(struct session *s)
{
    if (!s->open)
        return;
    s->store->connector->disconnect(s->memory);
    s->open = s->retiring = false;
    sleeper_set_session(s->sleeper, false);
    health_lost(&s->lane->health);
}

/* ---- interrupting ---- */

/* Under the session's lock: the memory is not zeroed meanwhile. */
static void interrupt(struct session *s)
{
    const struct weir_connector *c = s->store->connector;

    sleeper_interrupt(s->sleeper);
    if (c->interrupt != NULL)
        c->interrupt(s->memory);
}

void session_interrupt(struct session *s)
{
    pthread_mutex_lock(&s->lock);
    interrupt(s);
    pthread_mutex_unlock(&s->lock);
}

void session_interrupt_connect(struct session *s, uint64_t before)
{
    pthread_mutex_lock(&s->lock);
    if (s->connecting_ns != 0 && !atomic_load(&s->sleeper->interrupted) &&
        (!sleeper_has_work(s->sleeper) || s->connecting_ns <= before))
        interrupt(s);
    pthread_mutex_unlock(&s->lock);
}
