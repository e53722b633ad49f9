/* stats.h -- the counters of a store, in shards, so that threads that count do
 * not wait for each other.
 *
 * A worker has a shard of its own. The threads that submit to an inline store
 * share a few. Counters are relaxed atomics: a reader may see a batch counted
 * in part, but never a torn number. */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "histogram.h"
#include "weir.h"

struct op_counters {
    _Atomic uint64_t batches;
    _Atomic uint64_t status[WEIR_STATUSES];
    _Atomic uint64_t bytes_read;
    _Atomic uint64_t bytes_written;
    struct histogram queue;
    struct histogram service;
};

struct stats {
    struct op_counters op[WEIR_OPS];
};

static inline void stats_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* stats_read adds up the counters of one op. */
void stats_read(const struct stats *shards, uint32_t n, uint32_t op,
                struct weir_op_stats *out);

/* stats_histogram adds up one histogram of one op. */
void stats_histogram(const struct stats *shards, uint32_t n, uint32_t op,
                     int queue, uint64_t *counts);

#endif
