/* memory.c -- what a large memory store costs: time a key and bytes an entry as
 * it grows, its worst batch, its closing, and two threads. Keys have 16 bytes
 * and values 64, in batches of 64. Run it alone, or as `weir bench memory`.
 *
 *     build/bench/memory [get|grow-far|grow-full|close|threads]...
 *
 * A word stands for all parts that begin with it.
 *
 * The worst batches are in time of the thread's processor: a process that takes
 * the core away for some milliseconds says nothing about a store. */
#include <pthread.h>
#include <stdbool.h>

#include "memory_client.h"

enum {
    ROUNDS = 5, /* of figure and reference by turns */
    FILLS = 3,
    MOST = 10000000,
};

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
        reference[r] = plain_gets(&p, n, (uint64_t)r);
        figure[r] = client_gets(c, n, (uint64_t)r);
    }
    bench_report(&(struct bench_row){
        .name = named(name, sizeof name, "get, per key", n),
        .figure = bench_median(figure, ROUNDS),
        .unit = "ns",
        .reference = "a plain table, one by one",
        .of = bench_median(reference, ROUNDS),
    });
    plain_free(&p);
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

/* What FILLS fills of a store took, in ns. */
struct growth {
    double each;         /* the mean batch */
    double worst[FILLS]; /* batch */
    double read[FILLS];  /* the worst step of plain memory meanwhile */
    uint32_t *least;     /* for each batch, what it took in its best fill */
    double least_worst;
    double bytes; /* an entry, at the end */
};

/* Fills a store of that URL once, and reads plain memory after each batch. */
static void growth_fill(struct growth *g, int f, const char *url, uint64_t n,
                        struct lines *plain)
{
    struct weir_store *s = bench_open(url);
    struct client *c = client_new(s);

    for (uint64_t i = 0; i < n; i += BATCH) {
        double ns = (double)client_batch(c, WEIR_SET, i, 0);
        double read = (double)lines_read(plain);
        uint32_t *least = &g->least[i / BATCH];

        g->each += ns * BATCH / (double)n / FILLS;
        g->worst[f] = ns > g->worst[f] ? ns : g->worst[f];
        g->read[f] = read > g->read[f] ? read : g->read[f];
        *least = f == 0 || ns < *least ? (uint32_t)ns : *least;
    }
    g->bytes = bench_gauge(s, "bytes") / bench_gauge(s, "items");
    client_free(c);
    weir_store_free(s);
}

static struct growth growth_of(const char *url, uint64_t n, uint64_t bytes)
{
    struct growth g = {0};
    struct lines plain = lines_new(bytes);

    g.least = calloc(n / BATCH + 1, sizeof *g.least);
    if (g.least == NULL)
        bench_die("calloc", "out of memory");
    for (int f = 0; f < FILLS; f++)
        growth_fill(&g, f, url, n, &plain);
    for (uint64_t i = 0; i * BATCH < n; i++)
        g.least_worst = g.least[i] > g.least_worst ? g.least[i] : g.least_worst;
    free(g.least);
    g.least = NULL;
    lines_free(&plain);
    return g;
}

/* Two rows for the worst batch. A hypervisor that takes memory or the processor
 * away makes any batch slow, and reads of plain memory, too: the first row has
 * both. What the store does itself it does in every fill: the second row has
 * the worst of what each batch took in its best fill. */
static void growth_report(struct growth *g, const char *worst,
                          const char *least, const char *bytes)
{
    bench_report(&(struct bench_row){
        .name = worst,
        .figure = bench_median(g->worst, FILLS),
        .unit = "ns",
        .reference = "plain: touching the same memory, worst step",
        .of = bench_median(g->read, FILLS),
    });
    bench_report(&(struct bench_row){
        .name = least,
        .figure = g->least_worst,
        .unit = "ns",
        .reference = "the mean batch",
        .of = g->each,
        .target = "<= 1e6",
    });
    bench_report(&(struct bench_row){
        .name = bytes,
        .figure = g->bytes,
        .unit = "B",
        .reference = "its key and value",
        .of = sizeof(struct key) + VALUE,
        .target = "<= 120",
    });
}

static void bench_grow_far(void)
{
    struct growth g = growth_of("memory://?capacity=8GiB&shards=1", MOST,
                                MOST * UINT64_C(116));

    growth_report(&g, "C: memory, worst batch of sets up to 10 M entries",
                  "C: memory, the same in each of 3 fills",
                  "C: memory, bytes an entry of 16 B + 64 B");
}

/* The first time a shard is full, and half as many sets more. */
static void bench_full_at(unsigned mib)
{
    struct growth g;
    char url[64], worst[80], least[80], bytes[80];

    snprintf(url, sizeof url, "memory://?capacity=%uMiB&shards=1", mib);
    snprintf(worst, sizeof worst,
             "C: memory, worst batch while %u MiB fill and evict", mib);
    snprintf(least, sizeof least,
             "C: memory, the same at %u MiB in each of 3 fills", mib);
    snprintf(bytes, sizeof bytes, "C: memory, bytes an entry, %u MiB full",
             mib);
    g = growth_of(url, mib * UINT64_C(12000), (uint64_t)mib << 20);
    growth_report(&g, worst, least, bytes);
}

static void bench_grow_full(void)
{
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
    uint64_t ns; /* that it ran */
};

static void *thread_run(void *arg)
{
    struct thread *t = arg;
    uint64_t start = thread_ns();

    for (uint64_t i = 0; i < GETS; i += BATCH)
        client_batch(t->client, t->op, t->at + i, t->range);
    t->ns = thread_ns() - start;
    return NULL;
}

/* Of n threads that run at the same time. */
struct rate {
    double keys; /* a second */
    double ns;   /* of processor time a key */
};

static struct rate threads_rate(struct weir_store *s, uint32_t op, int n,
                                uint64_t range)
{
    struct thread threads[2];
    struct rate rate = {0, 0};
    uint64_t start = weir_now();

    for (int i = 0; i < n; i++) {
        threads[i] = (struct thread){.client = client_new(s),
                                     .op = op,
                                     .range = range,
                                     .at = (uint64_t)i * GETS};
        pthread_create(&threads[i].id, NULL, thread_run, &threads[i]);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i].id, NULL);
        rate.ns += (double)threads[i].ns / GETS / n;
    }
    rate.keys = (double)n * GETS * 1e9 / (double)(weir_now() - start);
    for (int i = 0; i < n; i++)
        client_free(threads[i].client);
    return rate;
}

struct plain_thread {
    pthread_t id;
    struct plain table;
    uint64_t at;
};

static void *plain_run(void *arg)
{
    struct plain_thread *t = arg;

    plain_gets(&t->table, GETS, t->at);
    return NULL;
}

/* The same for plain tables: keys a second. Each thread has its own. */
static double plain_rate(struct plain_thread *threads, int n)
{
    uint64_t start = weir_now();

    for (int i = 0; i < n; i++) {
        threads[i].at++;
        pthread_create(&threads[i].id, NULL, plain_run, &threads[i]);
    }
    for (int i = 0; i < n; i++)
        pthread_join(threads[i].id, NULL);
    return (double)n * GETS * 1e9 / (double)(weir_now() - start);
}

/* The rate depends on whether other programs leave the second core free. So the
 * note has two more ratios of the same run. That of processor time shows how
 * much the threads slow each other down. That of two plain tables shows how
 * much two threads can gain here at all. */
static void bench_threads_of(const char *url, const char *name, uint32_t op,
                             struct plain_thread *plain)
{
    struct weir_store *s = bench_open(url);
    struct client *c = client_new(s);
    double one[ROUNDS], two[ROUNDS], cost[ROUNDS], own[ROUNDS];
    char note[96];

    client_fill(c, 2 * GETS);
    for (int r = 0; r < ROUNDS; r++) {
        struct rate first = threads_rate(s, op, 1, 2 * GETS);
        struct rate both = threads_rate(s, op, 2, 2 * GETS);

        one[r] = first.keys;
        two[r] = both.keys;
        cost[r] = 2 * first.ns / both.ns;
        own[r] = 1 / plain_rate(plain, 1);
        own[r] *= plain_rate(plain, 2);
    }
    snprintf(note, sizeof note,
             "by processor time %.2fx; gets of plain tables %.2fx",
             bench_median(cost, ROUNDS), bench_median(own, ROUNDS));
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(two, ROUNDS),
        .unit = "keys/s",
        .reference = "one thread",
        .of = bench_median(one, ROUNDS),
        .note = note,
    });
    client_free(c);
    weir_store_free(s);
}

static void bench_threads(void)
{
    static const char SHARDED[] = "memory://?capacity=2GiB";
    static const char ONE[] = "memory://?capacity=2GiB&shards=1";
    struct plain_thread plain[2] = {{.table = plain_new(GETS)},
                                    {.table = plain_new(GETS)}};

    bench_threads_of(SHARDED, "C: memory, get, 2 threads, 8 shards", WEIR_GET,
                     plain);
    bench_threads_of(ONE, "C: memory, get, 2 threads, 1 shard", WEIR_GET,
                     plain);
    bench_threads_of(SHARDED, "C: memory, set, 2 threads, 8 shards", WEIR_SET,
                     plain);
    bench_threads_of(ONE, "C: memory, set, 2 threads, 1 shard", WEIR_SET,
                     plain);
    plain_free(&plain[0].table);
    plain_free(&plain[1].table);
}

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"get", bench_get},
    {"grow-far", bench_grow_far},
    {"grow-full", bench_grow_full},
    {"close", bench_close},
    {"threads", bench_threads},
};

enum { PARTS = sizeof parts / sizeof *parts };

int main(int argc, char **argv)
{
    for (int i = 0; i < PARTS; i++) {
        bool wanted = argc == 1;

        for (int k = 1; k < argc; k++)
            wanted |= strncmp(parts[i].name, argv[k], strlen(argv[k])) == 0;
        if (wanted)
            parts[i].run();
    }
    return 0;
}
