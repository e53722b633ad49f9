/* core.c -- what the machinery itself costs, in C: queues and wake-ups over
 * null, calls in place over memory. Run it alone, or as `weir bench core`,
 * which adds what Lua costs on top.
 *
 *     build/bench/core [worker|trip|memory|values|calls]... */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench.h"
#include "pingpong.h"

enum {
    ROUNDS = 7, /* of figure and reference by turns */
    BATCH = 64,
    FLIGHT = 8,
    KEYS = 4096,
    KEY_LEN = 16,
};

/* ---- wake-ups, counted ---- */

static atomic_ulong rings_submitting, rings_working;
static _Thread_local int submitting;

/* The runtime rings through this symbol; the program's own comes first. */
__attribute__((visibility("default"))) int eventfd_write(int fd, eventfd_t n)
{
    atomic_fetch_add_explicit(submitting ? &rings_submitting : &rings_working,
                              1, memory_order_relaxed);
    return syscall(SYS_write, fd, &n, sizeof n) == sizeof n ? 0 : -1;
}

/* ---- keys ---- */

static char keys[KEYS][KEY_LEN + 1];

static void keys_fill(void)
{
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "key-%012d", i);
}

/* A walk over the first n keys, a power of two, that no prefetcher guesses. */
static unsigned key_next(unsigned i, unsigned n)
{
    return (i + 2531) % n;
}

static void batch_fill(struct weir_batch *b, uint32_t op, uint32_t n,
                       unsigned *at, unsigned range)
{
    weir_batch_reset(b, op, n);
    for (uint32_t i = 0; i < n; i++) {
        b->items[i].key = keys[*at];
        b->items[i].key_len = KEY_LEN;
        *at = key_next(*at, range);
    }
}

static void batch_check(const struct weir_batch *b)
{
    if (b->errors > 0)
        bench_die("a batch failed", b->error.message);
}

/* ---- a batch of 64 through a worker ---- */

static void worker_submit(struct weir_store *s, struct weir_cq *cq,
                          struct weir_batch *b, unsigned *at)
{
    batch_fill(b, WEIR_EXISTS, BATCH, at, KEYS);
    if (weir_submit(s, cq, b) < 0)
        bench_die("submit", b->error.message);
}

/* One round: that many batches, FLIGHT of them on the way; items a second. */
static double worker_round(struct weir_store *s, struct weir_cq *cq,
                           struct weir_batch **batches, unsigned total)
{
    struct weir_batch *done[FLIGHT];
    unsigned sent = 0, ended = 0, at = 0;
    uint64_t start = weir_now();

    while (sent < FLIGHT)
        worker_submit(s, cq, batches[sent++], &at);
    while (ended < total) {
        weir_cq_wait(cq, WEIR_FOREVER);
        int n = weir_cq_drain(cq, done, FLIGHT);

        for (int i = 0; i < n; i++) {
            batch_check(done[i]);
            if (sent < total) {
                worker_submit(s, cq, done[i], &at);
                sent++;
            }
        }
        ended += (unsigned)n;
    }
    return (double)total * BATCH * 1e9 / (double)(weir_now() - start);
}

static void bench_worker(void)
{
    enum { TOTAL = 20000 };
    struct weir_store *s =
        bench_open("null://?hit=true&inline=false&workers=1");
    struct weir_batch *batches[FLIGHT];
    struct weir_cq *cq;
    double rate[ROUNDS];

    weir_cq_new(&cq);
    for (int i = 0; i < FLIGHT; i++)
        batches[i] = weir_batch_new(BATCH);
    worker_round(s, cq, batches, TOTAL / 4);
    rings_submitting = rings_working = 0;
    submitting = 1;
    for (int r = 0; r < ROUNDS; r++)
        rate[r] = worker_round(s, cq, batches, TOTAL);
    submitting = 0;
    bench_report(&(struct bench_row){
        .name = "C: batches of 64 through a worker, 8 in flight",
        .figure = bench_median(rate, ROUNDS),
        .unit = "items/s",
        .target = ">= 3e6",
    });
    bench_report(&(struct bench_row){
        .name = "C: rings by the submitter, per batch",
        .figure = (double)rings_submitting / ((double)ROUNDS * TOTAL),
        .target = "<= 1",
        .unit = "",
    });
    bench_report(&(struct bench_row){
        .name = "C: rings by the worker, per batch",
        .figure = (double)rings_working / ((double)ROUNDS * TOTAL),
        .target = "<= 1",
        .unit = "",
    });
    for (int i = 0; i < FLIGHT; i++)
        weir_batch_free(batches[i]);
    weir_store_free(s);
    weir_cq_free(cq);
}

/* ---- one operation there and back ---- */

/* Where the two threads run decides more than what they run: a wake-up on
 * another CPU of a virtual machine takes ten times one on the same. So both are
 * placed alike, and each placement is a row of its own. */
struct placement {
    const char *name;
    int here, there; /* of the CPUs we may use, counted from 0 */
};

static double trip_round(struct weir_store *s, struct weir_cq *cq,
                         struct weir_batch *b, double *samples, unsigned n)
{
    struct weir_batch *done;
    unsigned at = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t start = weir_now();

        batch_fill(b, WEIR_EXISTS, 1, &at, KEYS);
        if (weir_submit(s, cq, b) < 0)
            bench_die("submit", b->error.message);
        weir_cq_wait(cq, WEIR_FOREVER);
        while (weir_cq_drain(cq, &done, 1) == 0)
            continue;
        samples[i] = (double)(weir_now() - start);
        batch_check(done);
    }
    return bench_median(samples, n);
}

static void trip_place(const struct placement *place)
{
    enum { TRIPS = 4000 };
    static double samples[TRIPS];
    struct pong pong = {eventfd(0, 0), eventfd(0, 0)};
    struct weir_batch *b = weir_batch_new(1);
    double trips[ROUNDS], pongs[ROUNDS];
    struct weir_store *s;
    struct weir_cq *cq;
    pthread_t thread;

    cpu_use(place->there);
    s = bench_open("null://?hit=true&inline=false&workers=1");
    pthread_create(&thread, NULL, pong_run, &pong);
    cpu_use(place->here);
    weir_cq_new(&cq);
    for (int r = 0; r < ROUNDS; r++) {
        pongs[r] = pong_round(&pong, samples, TRIPS);
        trips[r] = trip_round(s, cq, b, samples, TRIPS);
    }
    eventfd_write(pong.there, 1000);
    pthread_join(thread, NULL);
    close(pong.there);
    close(pong.back);
    bench_report(&(struct bench_row){
        .name = place->name,
        .figure = bench_median(trips, ROUNDS),
        .unit = "ns",
        .reference = "eventfd ping-pong",
        .of = bench_median(pongs, ROUNDS),
        .target = "<= 2x",
    });
    weir_batch_free(b);
    weir_store_free(s);
    weir_cq_free(cq);
}

static void bench_trip(void)
{
    sched_getaffinity(0, sizeof cpus, &cpus);
    trip_place(&(struct placement){
        "C: one operation through a worker, p50, on one CPU", 0, 0});
    trip_place(&(struct placement){
        "C: one operation through a worker, p50, a CPU each", 0, 1});
    sched_setaffinity(0, sizeof cpus, &cpus);
}

/* ---- memory, on the calling thread ---- */

static void memory_fill(struct weir_store *s, const char *bytes, size_t size,
                        unsigned n)
{
    struct weir_batch *b = weir_batch_new(1);

    for (unsigned i = 0; i < n; i++) {
        weir_batch_reset(b, WEIR_SET, 1);
        b->items[0].key = keys[i];
        b->items[0].key_len = KEY_LEN;
        b->items[0].data = (char *)bytes;
        b->items[0].size = size;
        if (weir_submit(s, NULL, b) != 1 || b->items[0].status != WEIR_OK)
            bench_die("set", b->error.message);
    }
    weir_batch_free(b);
}

/* Gets total keys, of the first range ones, in batches of n: into buffers of
 * size, or as values when there are none; ns a key. */
static double memory_round(struct weir_store *s, struct weir_batch *b,
                           uint32_t n, unsigned range, char *buffers,
                           size_t size, unsigned total)
{
    unsigned at = 0;
    uint64_t start = weir_now();

    for (unsigned i = 0; i < total; i += n) {
        batch_fill(b, WEIR_GET, n, &at, range);
        for (uint32_t k = 0; buffers != NULL && k < n; k++) {
            b->items[k].data = buffers + k * size;
            b->items[k].cap = size;
        }
        weir_submit(s, NULL, b);
        batch_check(b);
    }
    return (double)(weir_now() - start) / (double)total;
}

/* What no store can do without: hash the key, copy the value. */
static double copy_round(const char *values, char *buffers, size_t size,
                         unsigned total)
{
    unsigned at = 0;
    uint64_t start = weir_now();

    for (unsigned i = 0; i < total; i++) {
        uint64_t hash = XXH3_64bits(keys[at], KEY_LEN);

        memcpy(buffers + i % BATCH * size, values + hash % KEYS * size, size);
        /* The copy must happen though nobody reads it. */
        __asm__ volatile("" ::"r"(buffers) : "memory");
        at = key_next(at, KEYS);
    }
    return (double)(weir_now() - start) / (double)total;
}

static void bench_memory(void)
{
    enum { SIZE = 1024, TOTAL = 64 * 8192 };
    struct weir_store *s = bench_open("memory://?capacity=256MiB");
    struct weir_batch *b = weir_batch_new(BATCH);
    char *values = malloc((size_t)KEYS * SIZE), *buffers = malloc(BATCH * SIZE);
    double single[ROUNDS], batched[ROUNDS], copy[ROUNDS];

    memset(values, 'v', (size_t)KEYS * SIZE);
    memset(buffers, 0, BATCH * SIZE);
    memory_fill(s, values, SIZE, KEYS);
    for (int r = 0; r < ROUNDS; r++) {
        copy[r] = copy_round(values, buffers, SIZE, TOTAL);
        single[r] = memory_round(s, b, 1, KEYS, buffers, SIZE, TOTAL);
        batched[r] = memory_round(s, b, BATCH, KEYS, buffers, SIZE, TOTAL);
    }
    bench_report(&(struct bench_row){
        .name = "C: memory, get 1 KiB, batches of 64, per key",
        .figure = bench_median(batched, ROUNDS),
        .unit = "ns",
        .reference = "hash the key, copy the value",
        .of = bench_median(copy, ROUNDS),
        .target = "<= 3x",
    });
    bench_report(&(struct bench_row){
        .name = "C: memory, get 1 KiB, one a call",
        .figure = bench_median(single, ROUNDS),
        .unit = "ns",
        .reference = "hash the key, copy the value",
        .of = bench_median(copy, ROUNDS),
    });
    free(values);
    free(buffers);
    weir_batch_free(b);
    weir_store_free(s);
}

static void bench_values(void)
{
    enum { BIG = 4 << 20, SMALL = 1024, FEW = 16, TOTAL = 64 * 4096 };
    struct weir_store *big = bench_open("memory://?capacity=1GiB");
    struct weir_store *small = bench_open("memory://?capacity=1GiB");
    struct weir_batch *b = weir_batch_new(BATCH);
    char *bytes = calloc(1, BIG);
    double large[ROUNDS], little[ROUNDS];

    memory_fill(big, bytes, BIG, FEW);
    memory_fill(small, bytes, SMALL, FEW);
    for (int r = 0; r < ROUNDS; r++) {
        large[r] = memory_round(big, b, BATCH, FEW, NULL, 0, TOTAL);
        little[r] = memory_round(small, b, BATCH, FEW, NULL, 0, TOTAL);
    }
    bench_report(&(struct bench_row){
        .name = "C: memory, get 4 MiB as a value, per key",
        .figure = bench_median(large, ROUNDS),
        .unit = "ns",
        .reference = "the same of 1 KiB",
        .of = bench_median(little, ROUNDS),
        .target = "<= 2x",
    });
    free(bytes);
    weir_batch_free(b);
    weir_store_free(small);
    weir_store_free(big);
}

/* What `weir bench core` holds the Lua verbs against: not run by default. */
static void bench_calls(void)
{
    enum { SIZE = 1024, TOTAL = 64 * 8192 };
    struct weir_store *s = bench_open("memory://?capacity=256MiB");
    struct weir_batch *b = weir_batch_new(BATCH);
    char bytes[SIZE];

    memset(bytes, 'v', SIZE);
    memory_fill(s, bytes, SIZE, KEYS);
    memory_round(s, b, BATCH, KEYS, NULL, 0, TOTAL);
    bench_report(&(struct bench_row){
        .name = "single",
        .figure = memory_round(s, b, 1, KEYS, NULL, 0, TOTAL),
        .unit = "ns",
    });
    bench_report(&(struct bench_row){
        .name = "batched",
        .figure = memory_round(s, b, BATCH, KEYS, NULL, 0, TOTAL),
        .unit = "ns",
    });
    weir_batch_free(b);
    weir_store_free(s);
}

/* ---- which ---- */

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"worker", bench_worker}, {"trip", bench_trip},   {"memory", bench_memory},
    {"values", bench_values}, {"calls", bench_calls},
};

enum {
    PARTS = sizeof parts / sizeof *parts,
    DEFAULTS = PARTS - 1, /* the last is for `weir bench` */
};

static void part_run(const char *name)
{
    for (int i = 0; i < PARTS; i++) {
        if (strcmp(parts[i].name, name) == 0) {
            parts[i].run();
            return;
        }
    }
    bench_die(name, "no such part");
}

int main(int argc, char **argv)
{
    keys_fill();
    for (int i = 1; i < argc; i++)
        part_run(argv[i]);
    for (int i = 0; argc == 1 && i < DEFAULTS; i++)
        parts[i].run();
    return 0;
}
