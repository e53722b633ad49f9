/* stats.c -- adds up the shards of a store's counters. */
#include "stats.h"

#include <string.h>

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void histograms_sum(const struct stats *shards, uint32_t n, uint32_t op,
                           int queue, uint64_t *counts,
                           struct weir_latency *out)
{
    memset(counts, 0, WEIR_HISTOGRAM * sizeof *counts);
    for (uint32_t i = 0; i < n; i++) {
        const struct op_counters *c = &shards[i].op[op];

        histogram_sum(queue ? &c->queue : &c->service, counts, out);
    }
}

void stats_histogram(const struct stats *shards, uint32_t n, uint32_t op,
                     int queue, uint64_t *counts)
{
    struct weir_latency unused = {0};

    histograms_sum(shards, n, op, queue, counts, &unused);
}

void stats_read(const struct stats *shards, uint32_t n, uint32_t op,
                struct weir_op_stats *out)
{
    uint64_t counts[WEIR_HISTOGRAM];

    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < n; i++) {
        const struct op_counters *c = &shards[i].op[op];

        out->batches += read_counter(&c->batches);
        out->bytes_read += read_counter(&c->bytes_read);
        out->bytes_written += read_counter(&c->bytes_written);
        for (uint32_t s = 0; s < WEIR_STATUSES; s++) {
            uint64_t items = read_counter(&c->status[s]);

            out->status[s] += items;
            out->items += items;
        }
    }
    histograms_sum(shards, n, op, 1, counts, &out->queue);
    weir_histogram_quantiles(counts, &out->queue);
    histograms_sum(shards, n, op, 0, counts, &out->service);
    weir_histogram_quantiles(counts, &out->service);
}
