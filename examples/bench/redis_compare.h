/* redis_compare.h -- a cell on weir and on what it is held against, by turns.
 */
#ifndef REDIS_COMPARE_H
#define REDIS_COMPARE_H

#include "redis_alone.h"
#include "redis_others.h"
#include "redis_weir.h"

enum { ROUNDS = 5 };

#define KIB 1024u
#define MIB 1048576u
#define SECONDS 0.25 /* of a round */

static int server; /* its pid */

/* CPU time of the server so far. */
static inline double server_cpu_ns(void)
{
    unsigned long user = 0, sys = 0;
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", server);
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &sys) != 2)
        user = sys = 0;
    fclose(f);
    return (double)(user + sys) * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

/* ---- rounds ---- */

struct samples {
    double keys_s[ROUNDS], p50[ROUNDS], p99[ROUNDS], cpu[ROUNDS];
};

static inline void sample(struct samples *s, int round, struct outcome o)
{
    if (round < 0)
        return;
    s->keys_s[round] = o.keys_s;
    s->p50[round] = o.p50_ns;
    s->p99[round] = o.p99_ns;
    s->cpu[round] = o.cpu_ns;
}

static inline struct outcome medians(struct samples *s)
{
    return (struct outcome){
        bench_median(s->keys_s, ROUNDS), bench_median(s->p50, ROUNDS),
        bench_median(s->p99, ROUNDS), bench_median(s->cpu, ROUNDS)};
}

/* Stores all keys of a cell. */
static inline void fill(const struct cell *c)
{
    struct cell set = *c;
    struct weir_side w;

    set.op = WEIR_SET;
    set.range = cell_range(c);
    set.batch = c->size < MIB ? 256 : 16;
    set.flight = 1;
    set.sparse = false;
    weir_side_open(&w, &set);
    weir_side_run(&w, 0);
    weir_side_close(&w);
}

/* Deletes need something to delete, before each round of each side. */
static inline double before_round(const struct cell *c)
{
    if (c->op != WEIR_DELETE)
        return SECONDS;
    fill(c);
    return 0;
}

/* How many threads serve the blocking client best: 4, or 8 for large values.
 * Two where a thread sends many keys in a command, as many as weir has
 * sessions. */
static inline uint32_t best_threads(const struct cell *c)
{
    double rate[2];

    if (c->many)
        return 2;
    if (c->size < 64 * KIB || c->op == WEIR_DELETE)
        return 4;
    for (uint32_t i = 0; i < 2; i++) {
        static struct blocking b;

        blocking_open(&b, c, 4 + 4 * i);
        blocking_run(&b, SECONDS / 2);
        rate[i] = blocking_run(&b, SECONDS).keys_s;
        blocking_close(&b);
    }
    return rate[1] > rate[0] ? 8 : 4;
}

struct result {
    struct outcome weir, blocking; /* medians; blocking only if threads > 0 */
    uint32_t threads;
    double benchmark, raw, tcp, alone; /* keys/s; 0 = not run */
    double server;                     /* share of one CPU while weir runs */
};

/* What runs beside weir. */
enum {
    WITH_BLOCKING = 1,
    WITH_BENCHMARK = 2,
    WITH_RAW = 4,
    WITH_TCP = 8,
    WITH_ALONE = 16,
};

static inline void side_by_side(const struct cell *c, int with,
                                struct blocking *b, struct result *r)
{
    struct samples ours = {0}, theirs = {0};
    double benchmark[ROUNDS] = {0}, raw[ROUNDS] = {0}, tcp[ROUNDS] = {0};
    double alone[ROUNDS] = {0};
    double share[ROUNDS];
    struct weir_side w, over_tcp;
    struct cell cell_tcp = *c;

    weir_side_open(&w, c);
    cell_tcp.socket = NULL;
    if (with & WITH_TCP)
        weir_side_open(&over_tcp, &cell_tcp);
    if (c->op == WEIR_GET && !c->sparse)
        weir_side_check(&w);
    for (int i = -1; i < ROUNDS; i++) { /* the first does not count */
        double seconds = before_round(c), cpu = server_cpu_ns();
        uint64_t start = weir_now();

        sample(&ours, i, weir_side_run(&w, seconds));
        share[i < 0 ? 0 : i] =
            (server_cpu_ns() - cpu) / (double)(weir_now() - start);
        if (with & WITH_BLOCKING)
            sample(&theirs, i, blocking_run(b, before_round(c)));
        if (i >= 0 && with & WITH_BENCHMARK) {
            before_round(c);
            benchmark[i] = benchmark_run(
                c, c->op == WEIR_DELETE ? cell_range(c)
                                        : ours.keys_s[i] * SECONDS + c->batch);
        }
        if (i >= 0 && with & WITH_RAW)
            raw[i] = raw_run(c, SECONDS);
        if (with & WITH_TCP)
            tcp[i < 0 ? 0 : i] = weir_side_run(&over_tcp, SECONDS).keys_s;
        if (i >= 0 && with & WITH_ALONE)
            alone[i] = alone_run(c, SECONDS);
    }
    weir_side_close(&w);
    if (with & WITH_TCP)
        weir_side_close(&over_tcp);
    r->weir = medians(&ours);
    r->blocking = medians(&theirs);
    r->benchmark = bench_median(benchmark, ROUNDS);
    r->raw = bench_median(raw, ROUNDS);
    r->tcp = bench_median(tcp, ROUNDS);
    r->alone = bench_median(alone, ROUNDS);
    r->server = bench_median(share, ROUNDS);
}

static inline struct result compare(const struct cell *c, int with)
{
    static struct blocking b;
    struct result r = {0};

    fill(c);
    if (with & WITH_BLOCKING) {
        r.threads = best_threads(c);
        blocking_open(&b, c, r.threads);
    }
    side_by_side(c, with, &b, &r);
    if (with & WITH_BLOCKING)
        blocking_close(&b);
    return r;
}

#endif
