/* store.c -- an opened store: the part that its threads share. */
#include "store.h"

#include <errno.h>
#include <stdlib.h>

#include "forks.h"
#include "thread.h"

void store_init_locks(struct weir_store *s)
{
    pthread_mutex_init(&s->close_lock, NULL);
    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->ended);
    watcher_init(&s->watcher);
    atomic_init(&s->refs, 1);
}

void store_ref(struct weir_store *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void store_unref(struct weir_store *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < s->n_lanes; i++)
        lane_destroy(&s->lanes[i]);
    watcher_destroy(&s->watcher);
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->close_lock);
    options_free(&s->options);
    options_free(&s->store_options);
    free(s->shards);
    free(s);
}

void store_worker_ended(struct weir_store *s)
{
    pthread_mutex_lock(&s->lock);
    s->running--;
    pthread_cond_broadcast(&s->ended);
    pthread_mutex_unlock(&s->lock);
}

void store_keep_error(struct weir_store *s, const struct batch *b)
{
    pthread_mutex_lock(&s->lock);
    s->last_error = b->pub.error;
    s->last_error_ns = weir_now();
    pthread_mutex_unlock(&s->lock);
}

struct lane *store_lane(struct weir_store *s, uint32_t op)
{
    uint32_t i = 0;

    while (i < s->n_lanes - 1 && !(s->lanes[i].ops & 1u << op))
        i++;
    return &s->lanes[i];
}

void store_begin(struct weir_store *s, const struct batch *b)
{
    stats_add(&s->inflight_batches, 1);
    stats_add(&s->inflight_items, b->pub.n);
    stats_add(&s->inflight_bytes, b->weight);
}

void store_end(struct weir_store *s, const struct batch *b)
{
    stats_add(&s->inflight_batches, (uint64_t)-1);
    stats_add(&s->inflight_items, -(uint64_t)b->pub.n);
    stats_add(&s->inflight_bytes, -b->weight);
}

const char *weir_store_name(const struct weir_store *s)
{
    return s->name;
}

int weir_store_inline(const struct weir_store *s)
{
    return s->is_inline;
}

int store_enter(struct weir_store *s, bool able)
{
    atomic_fetch_add(&s->inside, 1);
    if (s->forks != forks_seen())
        return -ECHILD;
    if (atomic_load(&s->closing))
        return -ESHUTDOWN;
    return able ? 0 : -ENOTSUP;
}

void store_leave(struct weir_store *s)
{
    atomic_fetch_sub_explicit(&s->inside, 1, memory_order_release);
}
