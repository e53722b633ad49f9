/* histogram.h -- latencies counted in log-linear buckets, from any thread. */
#ifndef WEIR_HISTOGRAM_H
#define WEIR_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "weir.h"

struct histogram {
    _Atomic uint64_t sum_ns;
    _Atomic uint64_t max_ns;
    _Atomic uint64_t counts[WEIR_HISTOGRAM];
};

/* histogram_add counts one latency. */
void histogram_add(struct histogram *h, uint64_t ns);

/* histogram_sum adds the buckets of h to counts, and its sum and max to out. */
void histogram_sum(const struct histogram *h, uint64_t *counts,
                   struct weir_latency *out);

#endif
