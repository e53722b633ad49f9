/* reaper.c -- a thread that ends queued batches at their deadline.
 *
 * A worker that claims skips late batches itself. This thread is for the time
 * when no worker claims, because all of them wait for a backend that hangs. It
 * sleeps until the earliest deadline that it was told. So a store whose batches
 * all have the same timeout wakes it once per timeout, not once per batch. */
#include "reaper.h"

#include "clock.h"
#include "thread.h"
#include "weir.h"

/* To reap walks the whole queue, so it happens at most once in this time: 1 ms,
 * and deadlines that are nearer to each other are served together. */
#define GRAIN_NS 1000000u

static void reap(struct reaper *r)
{
    uint64_t now = weir_now();
    uint64_t next = r->reap(r->arg, now);

    if (next != UINT64_MAX)
        reaper_expect(r, next > now + GRAIN_NS ? next : now + GRAIN_NS);
}

static void *reaper_main(void *arg)
{
    struct reaper *r = arg;

    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        uint64_t next = r->next_ns;
        struct timespec t = clock_timespec(next);

        if (next == UINT64_MAX) {
            pthread_cond_wait(&r->changed, &r->lock);
        } else if (weir_now() < next) {
            pthread_cond_timedwait(&r->changed, &r->lock, &t);
        } else {
            r->next_ns = UINT64_MAX;
            pthread_mutex_unlock(&r->lock);
            reap(r);
            pthread_mutex_lock(&r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

void reaper_init(struct reaper *r, uint64_t (*look)(void *arg, uint64_t now),
                 void *arg)
{
    r->reap = look;
    r->arg = arg;
    r->next_ns = UINT64_MAX;
    pthread_mutex_init(&r->lock, NULL);
    thread_cond_init(&r->changed);
}

void reaper_destroy(struct reaper *r)
{
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

int reaper_start(struct reaper *r)
{
    int rc = thread_start(&r->thread, reaper_main, r);

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
