/* histogram.c -- log-linear buckets, as HdrHistogram has them.
 *
 * Each power of two is cut into 32 equal buckets. So a bucket is at most 1/32
 * of its floor wide, and its middle is within 1.6 % of each latency in it.
 * Latencies of 2^44 ns (five hours) and more share the last bucket. */
#include "histogram.h"

#define SUB_BITS 5
#define SUB (1u << SUB_BITS)

uint32_t weir_histogram_bucket(uint64_t ns)
{
    uint32_t exponent, bucket;

    if (ns < SUB)
        return ns;
    exponent = 63 - __builtin_clzll(ns);
    bucket = (exponent - SUB_BITS + 1) * SUB +
             ((ns >> (exponent - SUB_BITS)) & (SUB - 1));
    return bucket < WEIR_HISTOGRAM ? bucket : WEIR_HISTOGRAM - 1;
}

uint64_t weir_histogram_floor(uint32_t bucket)
{
    uint32_t octave = bucket >> SUB_BITS;

    if (octave == 0)
        return bucket;
    return (uint64_t)(SUB + (bucket & (SUB - 1))) << (octave - 1);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    uint64_t max = atomic_load_explicit(&h->max_ns, memory_order_relaxed);

    atomic_fetch_add_explicit(&h->counts[weir_histogram_bucket(ns)], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
    while (ns > max && !atomic_compare_exchange_weak_explicit(
                           &h->max_ns, &max, ns, memory_order_relaxed,
                           memory_order_relaxed))
        ;
}

void histogram_sum(const struct histogram *h, uint64_t *counts,
                   struct weir_latency *out)
{
    uint64_t max = atomic_load_explicit(&h->max_ns, memory_order_relaxed);

    for (uint32_t i = 0; i < WEIR_HISTOGRAM; i++)
        counts[i] += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
    out->sum_ns += atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
    if (max > out->max_ns)
        out->max_ns = max;
}

/* The middle of the bucket with the rank-th latency, at most max. */
static uint64_t quantile(const uint64_t *counts, uint64_t rank, uint64_t max)
{
    uint64_t seen = 0, middle;
    uint32_t i;

    for (i = 0; i < WEIR_HISTOGRAM - 1; i++) {
        seen += counts[i];
        if (seen >= rank)
            break;
    }
    middle = (weir_histogram_floor(i) + weir_histogram_floor(i + 1)) / 2;
    return middle < max ? middle : max;
}

void weir_histogram_quantiles(const uint64_t *counts, struct weir_latency *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < WEIR_HISTOGRAM; i++)
        out->count += counts[i];
    if (out->count == 0)
        return;
    out->p50_ns = quantile(counts, (out->count + 1) / 2, out->max_ns);
    out->p90_ns = quantile(counts, out->count - out->count / 10, out->max_ns);
    out->p99_ns = quantile(counts, out->count - out->count / 100, out->max_ns);
    out->p999_ns =
        quantile(counts, out->count - out->count / 1000, out->max_ns);
}
