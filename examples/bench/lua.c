/* lua.c -- what a policy tree behind the C interface costs: lua: over memory
 * beside memory itself, and beside two eventfds.
 *
 *     build/bench/lua */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"
#include "pingpong.h"

enum {
    ROUNDS = 7, /* of figure and reference by turns */
    BATCH = 64,
    FLIGHT = 8,
    KEYS = 4096,
    KEY_LEN = 16,
    LARGE = 1 << 20,
    LARGE_KEYS = 8,
    LARGE_ROUNDS = 21,
};

static char keys[KEYS][KEY_LEN + 1];
static char path[] = "/tmp/weir-bench-lua-XXXXXX";

static struct weir_store *open_tree(void)
{
    char target[64];

    snprintf(target, sizeof target, "lua:%s", path);
    return bench_open(target);
}

static struct weir_store *open_memory(void)
{
    return bench_open("memory://?inline=false&workers=1");
}

static void write_tree(void)
{
    static const char TEXT[] = "return memory {}\n";
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, TEXT, sizeof TEXT - 1) < 0)
        bench_die(path, "cannot write");
    close(fd);
}

static void remove_tree(void)
{
    unlink(path);
}

/* The keys follow each other in an order that no prefetcher guesses. */
static void batch_fill(struct weir_batch *b, uint32_t op, uint32_t n,
                       unsigned *at, unsigned range)
{
    weir_batch_reset(b, op, n);
    for (uint32_t i = 0; i < n; i++) {
        b->items[i].key = keys[*at];
        b->items[i].key_len = KEY_LEN;
        *at = (*at + 2531) % range;
    }
}

static void submit(struct weir_store *s, struct weir_cq *cq,
                   struct weir_batch *b)
{
    if (weir_submit(s, cq, b) != 0)
        bench_die("submit", b->error.message);
}

/* Waits for up to max batches and returns how many came. */
static int await(struct weir_cq *cq, struct weir_batch **done, int max)
{
    int n;

    do {
        weir_cq_wait(cq, WEIR_FOREVER);
        n = weir_cq_drain(cq, done, max);
    } while (n == 0);
    for (int i = 0; i < n; i++) {
        if (done[i]->errors > 0)
            bench_die("a batch failed", done[i]->error.message);
    }
    return n;
}

/* ---- batches of small values ---- */

static void fill_small(struct weir_store *s, struct weir_cq *cq)
{
    struct weir_batch *b = weir_batch_new(BATCH);
    unsigned at = 0;

    for (int i = 0; i < KEYS / BATCH; i++) {
        batch_fill(b, WEIR_SET, BATCH, &at, KEYS);
        for (uint32_t k = 0; k < BATCH; k++) {
            b->items[k].data = keys[0];
            b->items[k].size = KEY_LEN;
        }
        submit(s, cq, b);
        await(cq, &b, 1);
    }
    weir_batch_free(b);
}

/* Gets in batches of 64, FLIGHT of them in flight; items a second. */
static double small_round(struct weir_store *s, struct weir_cq *cq,
                          unsigned total)
{
    struct weir_batch *done[FLIGHT];
    unsigned sent = 0, ended = 0, at = 0;
    uint64_t start = weir_now();

    for (; sent < FLIGHT; sent++) {
        struct weir_batch *b = weir_batch_new(BATCH);

        batch_fill(b, WEIR_GET, BATCH, &at, KEYS);
        submit(s, cq, b);
    }
    while (ended < total) {
        int n = await(cq, done, FLIGHT);

        for (int i = 0; i < n; i++) {
            if (sent++ < total) {
                batch_fill(done[i], WEIR_GET, BATCH, &at, KEYS);
                submit(s, cq, done[i]);
            } else {
                weir_batch_free(done[i]);
            }
        }
        ended += (unsigned)n;
    }
    return (double)total * BATCH * 1e9 / (double)(weir_now() - start);
}

static void bench_small(struct weir_store *tree, struct weir_store *memory,
                        struct weir_cq *cq)
{
    enum { TOTAL = 10000 };
    double figure[ROUNDS], of[ROUNDS];

    fill_small(tree, cq);
    fill_small(memory, cq);
    small_round(tree, cq, TOTAL);
    for (int r = 0; r < ROUNDS; r++) {
        figure[r] = small_round(tree, cq, TOTAL);
        of[r] = small_round(memory, cq, TOTAL);
    }
    bench_report(&(struct bench_row){
        .name = "gets in batches of 64 through lua:, 8 in flight",
        .figure = bench_median(figure, ROUNDS),
        .unit = "items/s",
        .reference = "memory with workers",
        .of = bench_median(of, ROUNDS),
        .target = NULL,
    });
    bench_report(&(struct bench_row){
        .name = "the same",
        .figure = bench_median(figure, ROUNDS),
        .unit = "items/s",
        .target = ">= 1.5e6",
    });
}

/* ---- one operation there and back ---- */

static double trip_round(struct weir_store *s, struct weir_cq *cq,
                         struct weir_batch *b, double *samples, unsigned n)
{
    struct weir_batch *done;
    unsigned at = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t start = weir_now();

        batch_fill(b, WEIR_GET, 1, &at, KEYS);
        submit(s, cq, b);
        await(cq, &done, 1);
        samples[i] = (double)(weir_now() - start);
    }
    return bench_median(samples, n);
}

static void bench_trip(const char *name, int here, int there,
                       struct weir_cq *cq)
{
    enum { TRIPS = 4000 };
    static double samples[TRIPS];
    struct pong pong = {eventfd(0, 0), eventfd(0, 0)};
    struct weir_batch *b = weir_batch_new(1);
    double trips[ROUNDS], pongs[ROUNDS];
    struct weir_store *s;
    pthread_t thread;

    cpu_use(there);
    s = open_tree();
    pthread_create(&thread, NULL, pong_run, &pong);
    cpu_use(here);
    fill_small(s, cq);
    trip_round(s, cq, b, samples, TRIPS);
    for (int r = 0; r < ROUNDS; r++) {
        pongs[r] = pong_round(&pong, samples, TRIPS);
        trips[r] = trip_round(s, cq, b, samples, TRIPS);
    }
    eventfd_write(pong.there, 1000);
    pthread_join(thread, NULL);
    close(pong.there);
    close(pong.back);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(trips, ROUNDS),
        .unit = "ns",
        .reference = "eventfd ping-pong",
        .of = bench_median(pongs, ROUNDS),
        .target = "<= 2.5x",
    });
    weir_batch_free(b);
    weir_store_free(s);
}

/* ---- large values ---- */

/* One after the other through the caller's memory, as Python does; MB/s. */
static double large_round(struct weir_store *s, struct weir_cq *cq, uint32_t op,
                          char *bytes, unsigned total)
{
    struct weir_batch *b = weir_batch_new(1);
    unsigned at = 0;
    uint64_t start = weir_now();

    for (unsigned i = 0; i < total; i++) {
        batch_fill(b, op, 1, &at, LARGE_KEYS);
        b->items[0].data = bytes;
        b->items[0].size = b->items[0].cap = LARGE;
        submit(s, cq, b);
        await(cq, &b, 1);
    }
    weir_batch_free(b);
    return (double)total * LARGE * 1e3 / (double)(weir_now() - start);
}

/* Fills a store, measures one round and closes it. Where the pages of a store
 * happen to lie decides half of its speed, so each round has a new store. */
static double large_in_new(struct weir_store *s, struct weir_cq *cq,
                           uint32_t op, char *bytes)
{
    enum { WARM = 600, TOTAL = 200 };
    double speed;

    large_round(s, cq, WEIR_SET, bytes, LARGE_KEYS);
    large_round(s, cq, op, bytes, WARM); /* until the Lua code is compiled */
    speed = large_round(s, cq, op, bytes, TOTAL);
    weir_store_free(s);
    return speed;
}

static void bench_large(const char *name, uint32_t op, struct weir_cq *cq)
{
    double figure[LARGE_ROUNDS], of[LARGE_ROUNDS];

    for (int r = 0; r < LARGE_ROUNDS; r++) {
        char *bytes = calloc(1, LARGE);

        figure[r] = large_in_new(open_tree(), cq, op, bytes);
        of[r] = large_in_new(open_memory(), cq, op, bytes);
        free(bytes);
    }
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(figure, LARGE_ROUNDS),
        .unit = "MB/s",
        .reference = "memory with workers",
        .of = bench_median(of, LARGE_ROUNDS),
        .target = ">= 0.9x",
    });
}

int main(void)
{
    struct weir_store *tree, *memory;
    struct weir_cq *cq;

    write_tree();
    atexit(remove_tree);
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "key-%012d", i);
    sched_getaffinity(0, sizeof cpus, &cpus);
    weir_cq_new(&cq);
    tree = open_tree();
    memory = open_memory();
    bench_small(tree, memory, cq);
    bench_large("gets of 1 MiB into the caller's memory", WEIR_GET, cq);
    bench_large("sets of 1 MiB from the caller's memory", WEIR_SET, cq);
    bench_trip("one get there and back, on one CPU", 0, 0, cq);
    bench_trip("one get there and back, on two CPUs", 0, 1, cq);
    weir_store_free(tree);
    weir_store_free(memory);
    weir_cq_free(cq);
    return 0;
}
