/* store_stats.c -- reads a store's statistics while its workers run. */
#include <errno.h>
#include <string.h>

#include "forks.h"
#include "op.h"
#include "store.h"

static uint64_t count(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void weir_store_stats(struct weir_store *s, struct weir_store_stats *out)
{
    memset(out, 0, sizeof *out);
    out->inflight_batches = count(&s->inflight_batches);
    out->inflight_items = count(&s->inflight_items);
    out->inflight_bytes = count(&s->inflight_bytes);
    out->workers = s->n_workers;
    out->reconnects = count(&s->reconnects);
    out->connect_failures = count(&s->connect_failures);
    out->refused = count(&s->refused);
    for (uint32_t i = 0; i < s->n_lanes; i++)
        out->sessions += atomic_load(&s->lanes[i].health.sessions);
    if (s->forks != forks_seen())
        return; /* a thread of the parent may have held the lock */
    pthread_mutex_lock(&s->lock);
    out->last_error = s->last_error;
    out->last_error_ns = s->last_error_ns;
    pthread_mutex_unlock(&s->lock);
}

int weir_store_op_stats(struct weir_store *s, uint32_t op,
                        struct weir_op_stats *out)
{
    if (!op_exists(op))
        return -EINVAL;
    stats_read(s->shards, s->n_shards, op, out);
    return 0;
}

int weir_store_histogram(struct weir_store *s, uint32_t op, int queue,
                         uint64_t *counts)
{
    if (!op_exists(op))
        return -EINVAL;
    stats_histogram(s->shards, s->n_shards, op, queue, counts);
    return 0;
}

double weir_store_queue(struct weir_store *s, uint32_t op)
{
    if (!op_exists(op))
        return -1;
    if (s->is_inline || s->forks != forks_seen())
        return 0;
    return lane_fill(store_lane(s, op));
}

size_t weir_store_gauges(struct weir_store *s, struct weir_gauge *out,
                         size_t max)
{
    size_t n = 0;

    /* Close waits until inside is 0, so the state stays until then. */
    atomic_fetch_add(&s->inside, 1);
    if (s->forks == forks_seen() && !atomic_load(&s->closing) &&
        s->connector->gauges != NULL)
        n = s->connector->gauges(s->state, out, max);
    atomic_fetch_sub_explicit(&s->inside, 1, memory_order_release);
    return n;
}
