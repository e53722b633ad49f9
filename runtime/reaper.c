/* reaper.c -- the thread that ends queued batches at their deadline.
 *
 * Workers skip what is late when they come to it; this thread is for when they
 * do not come, because all of them wait for a backend that hangs. It sleeps
 * until the earliest deadline it was told of, so a store whose batches all have
 * the same time-out wakes it once a time-out, not once a batch. */
#include <errno.h>
#include <time.h>

#include "store.h"
#include "worker.h"

/* A look walks the whole queue: deadlines that are nearer than this to each
 * other are seen in one. */
#define GRAIN_NS 1000000u

static void reap(struct weir_store *s)
{
    uint64_t now = weir_now(), next = UINT64_MAX;
    struct reaper *r = &s->reaper;

    for (uint32_t i = 0; i < s->n_lanes; i++) {
        struct batch *expired = NULL;
        uint64_t earliest = lane_expire(&s->lanes[i], now, &expired);

        lane_end_late(&s->lanes[i], expired);
        if (earliest < next)
            next = earliest;
    }
    if (next != UINT64_MAX)
        reaper_expect(r, next > now + GRAIN_NS ? next : now + GRAIN_NS);
}

static void *reaper_main(void *arg)
{
    struct weir_store *s = arg;
    struct reaper *r = &s->reaper;

    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        uint64_t next = r->next_ns;

        if (next == UINT64_MAX) {
            pthread_cond_wait(&r->changed, &r->lock);
        } else if (weir_now() < next) {
            struct timespec t = {.tv_sec = (time_t)(next / 1000000000u),
                                 .tv_nsec = (long)(next % 1000000000u)};

            pthread_cond_timedwait(&r->changed, &r->lock, &t);
        } else {
            r->next_ns = UINT64_MAX;
            pthread_mutex_unlock(&r->lock);
            reap(s);
            pthread_mutex_lock(&r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

void reaper_init(struct reaper *r)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
    r->next_ns = UINT64_MAX;
}

void reaper_destroy(struct reaper *r)
{
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

int reaper_start(struct weir_store *s)
{
    struct reaper *r = &s->reaper;
    int rc = thread_start(&r->thread, reaper_main, s);

    r->started = rc == 0;
    return rc;
}

void reaper_expect(struct reaper *r, uint64_t deadline_ns)
{
    if (deadline_ns >= atomic_load_explicit(&r->next_ns, memory_order_relaxed))
        return;
    pthread_mutex_lock(&r->lock);
    if (deadline_ns < r->next_ns) {
        r->next_ns = deadline_ns;
        pthread_cond_signal(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
}

void reaper_stop(struct reaper *r)
{
    if (!r->started)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    r->started = false;
}
