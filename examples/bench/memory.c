/* memory.c -- what a large memory store costs: time a key and bytes an entry as
 * it grows, its worst batch, its closing, and two threads. Keys have 16 bytes
 * and values 64, in batches of 64. Run it alone, or as `weir bench memory`.
 *
 *     build/bench/memory [get|grow|close|threads]...
 *
 * The worst batches are in time of the thread's processor: a process that takes
 * the core away for some milliseconds says nothing about a store. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench.h"

enum {
    ROUNDS = 5, /* of figure and reference by turns */
    BATCH = 64,
    VALUE = 64,
    GETS = 1 << 20, /* keys of a round */
    MOST = 10000000,
};

struct key {
    uint64_t words[2];
};

/* What a thread works with. */
struct client {
    struct weir_store *store;
    struct weir_batch *batch;
    struct key keys[BATCH];
    char values[BATCH][VALUE];
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static struct key key_of(uint64_t i)
{
    return (struct key){{mix(i + 1), i}};
}

static uint64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct client *client_new(struct weir_store *store)
{
    struct client *c = calloc(1, sizeof *c);

    if (c == NULL)
        bench_die("calloc", "out of memory");
    c->store = store;
    c->batch = weir_batch_new(BATCH);
    return c;
}

static void client_free(struct client *c)
{
    weir_batch_free(c->batch);
    free(c);
}

/* Runs one batch: sets of the keys from `at` on, or gets of random keys below
 * `range`. Returns its nanoseconds. */
static uint64_t client_batch(struct client *c, uint32_t op, uint64_t at,
                             uint64_t range)
{
    struct weir_batch *b = c->batch;
    uint64_t start;

    weir_batch_reset(b, op, BATCH);
    for (uint32_t i = 0; i < BATCH; i++) {
        c->keys[i] = key_of(op == WEIR_GET ? mix(at + i) % range : at + i);
        b->items[i].key = (const char *)&c->keys[i];
        b->items[i].key_len = sizeof c->keys[i];
        b->items[i].data = c->values[i];
        b->items[i].size = b->items[i].cap = VALUE;
    }
    start = thread_ns();
    weir_submit(c->store, NULL, b);
    start = thread_ns() - start;
    if (b->errors > 0)
        bench_die("a batch failed", b->error.message);
    return start;
}

struct growth {
    double each;  /* ns a key */
    double worst; /* ns a batch */
};

static struct growth client_fill(struct client *c, uint64_t n)
{
    struct growth g = {0, 0};

    for (uint64_t i = 0; i < n; i += BATCH) {
        double ns = (double)client_batch(c, WEIR_SET, i, 0);

        g.each += ns / (double)n;
        g.worst = ns > g.worst ? ns : g.worst;
    }
    return g;
}

/* ns a key */
static double client_gets(struct client *c, uint64_t n, uint64_t seed)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < GETS; i += BATCH)
        sum += client_batch(c, WEIR_GET, seed * GETS + i, n);
    return (double)sum / GETS;
}

static double gauge(struct weir_store *s, const char *name)
{
    struct weir_gauge gauges[32];
    size_t n = weir_store_gauges(s, gauges, 32);

    for (size_t i = 0; i < n && i < 32; i++) {
        if (strcmp(gauges[i].name, name) == 0)
            return (double)gauges[i].value;
    }
    bench_die(name, "no such gauge");
    return 0;
}

/* ---- the reference: a table without links, locks, sizes or eviction ---- */

struct slot {
    struct key key; /* words[0] is 0 in an empty slot */
    char value[VALUE];
};

struct plain {
    struct slot *slots;
    uint64_t mask;
};

static struct slot *plain_slot(const struct plain *p, const struct key *key)
{
    uint64_t at = XXH3_64bits(key, sizeof *key) & p->mask;

    while (p->slots[at].key.words[0] != 0 &&
           memcmp(&p->slots[at].key, key, sizeof *key) != 0)
        at = (at + 1) & p->mask;
    return &p->slots[at];
}

static struct plain plain_new(uint64_t n)
{
    struct plain p = {NULL, 1};

    while (p.mask + 1 < n + n / 2)
        p.mask = p.mask * 2 + 1;
    p.slots = calloc(p.mask + 1, sizeof *p.slots);
    if (p.slots == NULL)
        bench_die("calloc", "out of memory");
    for (uint64_t i = 0; i < n; i++) {
        struct key key = key_of(i);

        plain_slot(&p, &key)->key = key;
    }
    return p;
}

/* Gets as client_gets does, one after the other: ns a key. */
static double plain_gets(const struct plain *p, struct client *c, uint64_t n,
                         uint64_t seed)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < GETS; i += BATCH) {
        uint64_t start;

        for (uint32_t k = 0; k < BATCH; k++)
            c->keys[k] = key_of(mix(seed * GETS + i + k) % n);
        start = thread_ns();
        for (uint32_t k = 0; k < BATCH; k++)
            memcpy(c->values[k], plain_slot(p, &c->keys[k])->value, VALUE);
        /* The copy must happen though nothing reads it. */
        __asm__ volatile("" ::"r"(c->values) : "memory");
        sum += thread_ns() - start;
    }
    return (double)sum / GETS;
}

/* ---- the parts ---- */

/* The case's name with a number of entries. */
static const char *named(char *out, size_t cap, const char *what, uint64_t n)
{
    if (n >= 1000000)
        snprintf(out, cap, "C: memory, %s, %u M entries", what,
                 (unsigned)(n / 1000000));
    else
        snprintf(out, cap, "C: memory, %s, %u k entries", what,
                 (unsigned)(n / 1000));
    return out;
}

static double bench_get_at(uint64_t n)
{
    struct weir_store *s = bench_open("memory://?capacity=8GiB");
    struct client *c = client_new(s);
    double figure[ROUNDS], reference[ROUNDS];
    struct plain p = plain_new(n);
    char name[80];

    client_fill(c, n);
    for (int r = 0; r < ROUNDS; r++) {
        reference[r] = plain_gets(&p, c, n, (uint64_t)r);
        figure[r] = client_gets(c, n, (uint64_t)r);
    }
    bench_report(&(struct bench_row){
        .name = named(name, sizeof name, "get, per key", n),
        .figure = bench_median(figure, ROUNDS),
        .unit = "ns",
        .reference = "a plain table, one by one",
        .of = bench_median(reference, ROUNDS),
    });
    free(p.slots);
    client_free(c);
    weir_store_free(s);
    return bench_median(figure, ROUNDS);
}

static void bench_get(void)
{
    double few, many;

    bench_get_at(1000);
    few = bench_get_at(10000);
    bench_get_at(100000);
    bench_get_at(1000000);
    many = bench_get_at(MOST);
    bench_report(&(struct bench_row){
        .name = "C: memory, get, per key, 10 M entries",
        .figure = many,
        .unit = "ns",
        .reference = "10 k entries",
        .of = few,
        .target = "<= 2x",
    });
}

/* What malloc alone needs to free that many blocks of an entry's size. */
static double free_ns(uint64_t n)
{
    void **blocks = malloc(n * sizeof *blocks);
    uint64_t start;

    if (blocks == NULL)
        bench_die("malloc", "out of memory");
    for (uint64_t i = 0; i < n; i++) {
        blocks[i] = malloc(104);
        if (blocks[i] == NULL)
            bench_die("malloc", "out of memory");
        memset(blocks[i], 0, 104);
    }
    start = thread_ns();
    for (uint64_t i = 0; i < n; i++)
        free(blocks[i]);
    start = thread_ns() - start;
    free(blocks);
    return (double)start;
}

static void bench_grow_far(void)
{
    struct weir_store *s = bench_open("memory://?capacity=8GiB&shards=1");
    struct client *c = client_new(s);
    struct growth g = client_fill(c, MOST);

    bench_report(&(struct bench_row){
        .name = "C: memory, worst batch of sets up to 10 M entries",
        .figure = g.worst,
        .unit = "ns",
        .reference = "the mean one",
        .of = g.each * BATCH,
        .target = "<= 1e6",
    });
    bench_report(&(struct bench_row){
        .name = "C: memory, bytes an entry of 16 B + 64 B",
        .figure = gauge(s, "bytes") / gauge(s, "items"),
        .unit = "B",
        .reference = "its key and value",
        .of = sizeof(struct key) + VALUE,
        .target = "<= 120",
    });
    client_free(c);
    weir_store_free(s);
}

/* The first time a shard is full, and three times its entries more. */
static void bench_full_at(unsigned mib)
{
    struct client *c;
    struct weir_store *s;
    struct growth g;
    char url[64], name[80];

    snprintf(url, sizeof url, "memory://?capacity=%uMiB&shards=1", mib);
    s = bench_open(url);
    c = client_new(s);
    g = client_fill(c, mib * UINT64_C(20000));
    snprintf(name, sizeof name,
             "C: memory, worst batch while %u MiB fill and evict", mib);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = g.worst,
        .unit = "ns",
        .reference = "the mean one",
        .of = g.each * BATCH,
        .target = "<= 1e6",
    });
    snprintf(name, sizeof name, "C: memory, bytes an entry, %u MiB full", mib);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = gauge(s, "bytes") / gauge(s, "items"),
        .unit = "B",
        .reference = "its key and value",
        .of = sizeof(struct key) + VALUE,
        .target = "<= 120",
    });
    client_free(c);
    weir_store_free(s);
}

static void bench_grow(void)
{
    bench_grow_far();
    bench_full_at(64);
    bench_full_at(256);
    bench_full_at(1024);
}

/* Frees a store that was filled and then read in another order. The time is the
 * thread's, as free_ns is. */
static void bench_close_of(const char *url, const char *name)
{
    struct weir_store *s = bench_open(url);
    struct client *c = client_new(s);
    uint64_t start;

    client_fill(c, MOST);
    for (uint64_t i = 0; i < MOST; i += BATCH)
        client_batch(c, WEIR_GET, i, MOST);
    client_free(c);
    start = thread_ns();
    weir_store_free(s);
    start = thread_ns() - start;
    bench_report(&(struct bench_row){
        .name = name,
        .figure = (double)start,
        .unit = "ns",
        .reference = "free alone",
        .of = free_ns(MOST),
        .target = "<= 5e8",
    });
}

static void bench_close(void)
{
    bench_close_of("memory://?capacity=8GiB",
                   "C: memory, closing 10 M entries");
    bench_close_of("memory://?capacity=8GiB&shards=1&eviction=lru",
                   "C: memory, closing 10 M entries, lru, 1 shard");
}

struct thread {
    pthread_t id;
    struct client *client;
    uint32_t op;
    uint64_t range, at;
};

static void *thread_run(void *arg)
{
    struct thread *t = arg;

    for (uint64_t i = 0; i < GETS; i += BATCH)
        client_batch(t->client, t->op, t->at + i, t->range);
    return NULL;
}

/* Keys a second of n threads that run at the same time. */
static double threads_rate(struct weir_store *s, uint32_t op, int n,
                           uint64_t range)
{
    struct thread threads[2];
    uint64_t start = weir_now();

    for (int i = 0; i < n; i++) {
        threads[i] =
            (struct thread){0, client_new(s), op, range, (uint64_t)i * GETS};
        pthread_create(&threads[i].id, NULL, thread_run, &threads[i]);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i].id, NULL);
        client_free(threads[i].client);
    }
    return (double)n * GETS * 1e9 / (double)(weir_now() - start);
}

static void bench_threads_of(const char *url, const char *name, uint32_t op)
{
    struct weir_store *s = bench_open(url);
    struct client *c = client_new(s);
    double one[ROUNDS], two[ROUNDS];

    client_fill(c, 2 * GETS);
    for (int r = 0; r < ROUNDS; r++) {
        one[r] = threads_rate(s, op, 1, 2 * GETS);
        two[r] = threads_rate(s, op, 2, 2 * GETS);
    }
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(two, ROUNDS),
        .unit = "keys/s",
        .reference = "one thread",
        .of = bench_median(one, ROUNDS),
    });
    client_free(c);
    weir_store_free(s);
}

static void bench_threads(void)
{
    static const char SHARDED[] = "memory://?capacity=2GiB";
    static const char ONE[] = "memory://?capacity=2GiB&shards=1";

    bench_threads_of(SHARDED, "C: memory, get, 2 threads, 8 shards", WEIR_GET);
    bench_threads_of(ONE, "C: memory, get, 2 threads, 1 shard", WEIR_GET);
    bench_threads_of(SHARDED, "C: memory, set, 2 threads, 8 shards", WEIR_SET);
    bench_threads_of(ONE, "C: memory, set, 2 threads, 1 shard", WEIR_SET);
}

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"get", bench_get},
    {"grow", bench_grow},
    {"close", bench_close},
    {"threads", bench_threads},
};

enum { PARTS = sizeof parts / sizeof *parts };

int main(int argc, char **argv)
{
    for (int i = 0; i < PARTS; i++) {
        bool wanted = argc == 1;

        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], parts[i].name) == 0;
        if (wanted)
            parts[i].run();
    }
    return 0;
}
