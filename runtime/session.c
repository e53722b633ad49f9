/* session.c -- what a worker holds of a backend, opened and healed.
 *
 * A session is connected when there is work for it. A connect that fails puts
 * the whole lane off for a while, doubled from failure to failure up to
 * max_backoff and jittered; the next try puts the others off as it begins, so
 * that a herd of workers does not knock together.
 * Meanwhile batches fail at once with the reason, unless another session of the
 * lane still works: a worker that was rung and has none wakes one that sleeps
 * with its own, before it connects. */
#include <errno.h>
#include <string.h>

#include "session.h"
#include "store.h"

static bool has_sessions(const struct worker *w)
{
    return w->store->connector->connect != NULL;
}

/* xorshift64* (Vigna 2016), from the clock: jitter needs no better. */
static double jitter(void)
{
    uint64_t x = weir_now() | 1;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    return (double)((x * 0x2545F4914F6CDD1Du) >> 11) * 0x1p-53;
}

/* Half of the delay is certain, half is drawn: "equal jitter". */
static uint64_t backoff(const struct store_config *config, uint32_t failures)
{
    uint64_t delay = config->backoff_ns;

    while (failures-- > 1 && delay < config->max_backoff_ns)
        delay *= 2;
    if (delay > config->max_backoff_ns)
        delay = config->max_backoff_ns;
    return delay / 2 + (uint64_t)((double)delay / 2 * jitter());
}

static void connected(struct worker *w)
{
    struct lane *l = w->lane;

    pthread_mutex_lock(&l->lock);
    l->sessions++;
    l->failures = 0;
    l->retry_ns = 0;
    w->open = true;
    pthread_mutex_unlock(&l->lock);
    if (w->was_open)
        stats_add(&w->store->reconnects, 1);
    w->was_open = true;
}

static enum ready not_connected(struct worker *w)
{
    struct lane *l = w->lane;
    enum ready ready;

    pthread_mutex_lock(&l->lock);
    l->failures++;
    l->retry_ns = weir_now() + backoff(&w->store->config, l->failures);
    l->why = w->why;
    l->why_status = w->why_status;
    ready = l->sessions > 0 ? READY_LATER : READY_FAIL;
    pthread_mutex_unlock(&l->lock);
    stats_add(&w->store->connect_failures, 1);
    return ready;
}

static enum ready session_connect(struct worker *w)
{
    const struct weir_connector *c = w->store->connector;
    struct slice connecting = {.worker = w};
    uint64_t now;
    int rc;

    w->why.code = 0;
    w->why_status = WEIR_UNAVAILABLE;
    now = weir_now();
    connecting.call.deadline_ns = now + w->store->config.connect_timeout_ns;
    /* Under the lock: an interrupt may look at the session at any time. */
    pthread_mutex_lock(&w->lane->lock);
    memset(w->session, 0, c->session_size);
    pthread_mutex_unlock(&w->lane->lock);
    atomic_store(&w->connecting_ns, now);
    rc = c->connect(w->store->state, w->session, &connecting.call);
    atomic_store(&w->connecting_ns, 0);
    if (rc == 0) {
        connected(w);
        return READY_YES;
    }
    if (atomic_load(&w->interrupted)) {
        weir_error_set(&w->why, -ESHUTDOWN, "closed");
        w->why_status = WEIR_SKIPPED;
    } else if (w->why.code == 0)
        weir_error_set(&w->why, rc, "cannot connect: %s", strerror(-rc));
    return not_connected(w);
}

/* Under backoff nobody connects; the first to come after it is the next to try.
 */
static bool put_off(struct worker *w, enum ready *ready)
{
    struct lane *l = w->lane;
    uint64_t now = weir_now();
    bool off;

    pthread_mutex_lock(&l->lock);
    off = l->retry_ns != 0 && now < l->retry_ns;
    if (off) {
        w->why = l->why;
        w->why_status = l->why_status;
        *ready = l->sessions > 0 ? READY_LATER : READY_FAIL;
    } else if (l->failures > 0) {
        l->retry_ns = now + backoff(&w->store->config, l->failures + 1);
    }
    pthread_mutex_unlock(&l->lock);
    return off;
}

enum ready session_ready(struct worker *w)
{
    const struct weir_connector *c = w->store->connector;
    enum ready ready;

    if (!has_sessions(w))
        return READY_YES;
    if (w->open && w->n == 0 &&
        (w->retiring || (c->check != NULL && c->check(w->session) != 0)))
        session_drop(w);
    if (w->open)
        return READY_YES;
    lane_pass_on(w->lane);
    if (put_off(w, &ready))
        return ready;
    return session_connect(w);
}

void session_drop(struct worker *w)
{
    if (!w->open)
        return;
    w->store->connector->disconnect(w->session);
    pthread_mutex_lock(&w->lane->lock);
    w->open = w->retiring = false;
    w->lane->sessions--;
    pthread_mutex_unlock(&w->lane->lock);
}
