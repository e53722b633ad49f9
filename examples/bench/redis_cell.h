/* redis_cell.h -- one cell of the redis benchmark, and what a run of it gave.
 *
 * Both sides of a comparison get the same keys in the same order, the same
 * batches in flight, and memory of the same size for the payloads. */
#ifndef REDIS_CELL_H
#define REDIS_CELL_H

#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"

enum {
    CELL_KEYS_MAX = 65536,
    CELL_LATENCIES = 1 << 18,
    CELL_BATCH_MAX = 256, /* with `many`, or of the server alone */
    KEY_LEN = 16, /* "key:" and what redis-benchmark makes of __rand_int__ */
};

struct cell {
    uint32_t op; /* enum weir_op */
    uint32_t size;
    uint32_t batch;
    uint32_t flight;    /* batches on their way */
    uint32_t workers;   /* sessions */
    uint32_t range;     /* walks over so many keys; 0: as many as suit it */
    bool many;          /* exists: the blocking threads send one command for all
                           keys of their part of a batch */
    bool sparse;        /* every other key of a batch is not there */
    bool values;        /* get values instead of filling buffers, as Lua does */
    const char *socket; /* a unix socket, or NULL: TCP */
    int port;
};

struct outcome {
    double keys_s;
    double p50_ns, p99_ns; /* of a batch, from submit to drained */
    double cpu_ns;         /* of this process, a key */
};

static char cell_keys[CELL_KEYS_MAX][KEY_LEN + 1];
static char cell_nowhere[KEY_LEN + 1] = "key:not-anywhere";
static char *cell_payload; /* what is set */
static double cell_latencies[CELL_LATENCIES];

/* cell_range returns over how many keys a cell walks: 1 GiB at the most. */
static inline uint32_t cell_range(const struct cell *c)
{
    uint64_t n = ((uint64_t)256 << 20) / c->size;

    if (c->range != 0)
        return c->range;
    n = n > CELL_KEYS_MAX ? CELL_KEYS_MAX : n;
    return n < c->batch ? c->batch : (uint32_t)n;
}

static inline void cell_prepare(void)
{
    for (unsigned i = 0; i < CELL_KEYS_MAX; i++)
        snprintf(cell_keys[i], sizeof cell_keys[i], "key:%012u", i);
    cell_payload = malloc((size_t)4 << 20);
    memset(cell_payload, 'v', (size_t)4 << 20);
}

/* cell_buffers returns memory for the payloads of a batch. It begins at a page:
 * see Memory in weir.h. */
static inline char *cell_buffers(const struct cell *c)
{
    size_t pages = ((size_t)c->batch * c->size + 4095) / 4096;
    char *buffers = aligned_alloc(4096, pages * 4096);

    memset(buffers, 0, pages * 4096);
    return buffers;
}

static inline double cell_cpu_ns(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
           ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

/* A run being measured. */
struct meter {
    uint64_t start, until;
    double cpu;
    uint64_t keys;
    size_t latencies;
};

static inline void meter_start(struct meter *m, double seconds)
{
    *m = (struct meter){.start = weir_now(), .cpu = cell_cpu_ns()};
    m->until = m->start + (uint64_t)(seconds * 1e9);
}

static inline void meter_batch(struct meter *m, uint64_t submitted, uint32_t n)
{
    uint64_t now = weir_now();

    m->keys += n;
    if (m->latencies < CELL_LATENCIES)
        cell_latencies[m->latencies++] = (double)(now - submitted);
}

static inline struct outcome meter_stop(struct meter *m)
{
    double seconds = (double)(weir_now() - m->start) / 1e9;
    struct outcome o = {
        .keys_s = (double)m->keys / seconds,
        .cpu_ns = (cell_cpu_ns() - m->cpu) / (double)m->keys,
    };

    o.p50_ns = bench_quantile(cell_latencies, m->latencies, 0.5);
    o.p99_ns = bench_quantile(cell_latencies, m->latencies, 0.99);
    return o;
}

#endif
