/* shm.c -- memory that processes share, beside memory of one process: gets and
 * sets of 1 KiB in batches of 64, two processes, and what an entry takes. Run
 * it alone, or as `weir bench shm`.
 *
 *     build/bench/shm [gets|sets|processes|entry]...
 *
 * A get from memory without a buffer answers with a reference, one from shm
 * with a copy: both cases are shown. Times are those of the thread's processor,
 * by turns, in one process. */
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum {
    ROUNDS = 9, /* of figure and reference by turns */
    BATCH = 64,
    VALUE = 1024,
    KEYS = 1 << 16,
    BATCHES = 1000, /* of a round */
    SECONDS = 1,    /* of the two processes */
};

static struct weir_store *memory, *shm;
static char shm_url[128];

struct client {
    struct weir_batch *batch;
    uint64_t keys[BATCH];
    char values[BATCH][VALUE];
    uint64_t random;
};

static struct client *client_new(uint64_t seed)
{
    struct client *c = calloc(1, sizeof *c);

    if (c == NULL)
        bench_die("calloc", "out of memory");
    c->batch = weir_batch_new(BATCH);
    c->random = seed;
    return c;
}

static uint64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t next_key(struct client *c)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (c->random >> 33) % KEYS;
}

/* Runs one batch of keys from `first` on, or of random ones. Returns its
 * nanoseconds, with what giving the values back takes. */
static uint64_t client_batch(struct client *c, struct weir_store *s,
                             uint32_t op, bool buffers, int64_t first)
{
    struct weir_batch *b = c->batch;
    uint64_t start;

    weir_batch_reset(b, op, BATCH);
    for (int i = 0; i < BATCH; i++) {
        c->keys[i] = first < 0 ? next_key(c) : (uint64_t)(first + i);
        b->items[i].key = (const char *)&c->keys[i];
        b->items[i].key_len = sizeof c->keys[i];
        if (buffers || op == WEIR_SET) {
            b->items[i].data = c->values[i];
            b->items[i].size = b->items[i].cap = VALUE;
        }
    }
    start = thread_ns();
    weir_submit(s, NULL, b);
    if (b->errors > 0)
        bench_die("a batch failed", b->error.message);
    weir_batch_reset(b, op, 1);
    return thread_ns() - start;
}

/* ns a key */
static double client_round(struct client *c, struct weir_store *s, uint32_t op,
                           bool buffers)
{
    uint64_t sum = 0;

    for (int i = 0; i < BATCHES; i++)
        sum += client_batch(c, s, op, buffers, -1);
    return (double)sum / BATCHES / BATCH;
}

static void fill(struct client *c, struct weir_store *s)
{
    for (int64_t i = 0; i < KEYS; i += BATCH)
        client_batch(c, s, WEIR_SET, false, i);
}

static void compare(const char *name, uint32_t op, bool buffers,
                    const char *target)
{
    struct client *c = client_new(1);
    double of[ROUNDS], figure[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        of[i] = client_round(c, memory, op, buffers);
        figure[i] = client_round(c, shm, op, buffers);
    }
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(figure, ROUNDS),
        .unit = "ns",
        .reference = "memory",
        .of = bench_median(of, ROUNDS),
        .target = target,
    });
    weir_batch_free(c->batch);
    free(c);
}

static void gets(void)
{
    compare("get 1 KiB into buffers, batches of 64, per key", WEIR_GET, true,
            "<= 1.6x");
    compare("get 1 KiB as values, of which memory copies none", WEIR_GET, false,
            NULL);
}

static void sets(void)
{
    compare("set 1 KiB, batches of 64, per key", WEIR_SET, false, NULL);
}

/* Gets of n processes at once, keys a second. */
static double processes_run(int n)
{
    _Atomic uint64_t *keys = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double sum;

    for (int i = 0; i < n; i++) {
        if (fork() == 0) {
            struct client *c = client_new((uint64_t)i + 1);
            struct weir_store *s = bench_open(shm_url);
            uint64_t until;

            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (int64_t k = 0; k < KEYS; k += BATCH)
                client_batch(c, s, WEIR_GET, true, k); /* maps its pages */
            until = weir_now() + SECONDS * UINT64_C(1000000000);
            while (weir_now() < until) {
                client_batch(c, s, WEIR_GET, true, -1);
                *keys += BATCH;
            }
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    sum = (double)*keys / SECONDS;
    munmap((void *)keys, 4096);
    return sum;
}

static void processes(void)
{
    double one[3], two[3];

    for (int i = 0; i < 3; i++) {
        one[i] = processes_run(1);
        two[i] = processes_run(2);
    }
    bench_report(&(struct bench_row){
        .name = "get 1 KiB, two processes together",
        .figure = bench_median(two, 3),
        .unit = "keys/s",
        .reference = "one process",
        .of = bench_median(one, 3),
        .target = ">= 1.6x",
    });
}

/* The capacity of a full mapping by its entries, less key and value. */
static void entry_of(uint64_t size)
{
    struct client *c = client_new(1);
    char url[160], name[64];
    struct weir_store *s;

    snprintf(url, sizeof url,
             "shm://?path=/dev/shm/weir-bench-%d-entry&"
             "capacity=64MiB&destroy=true",
             (int)getpid());
    s = bench_open(url);
    for (uint64_t i = 0;
         bench_gauge(s, "evictions") <= bench_gauge(s, "items");) {
        weir_batch_reset(c->batch, WEIR_SET, BATCH);
        for (int k = 0; k < BATCH; k++, i++) {
            c->keys[k] = i;
            c->batch->items[k].key = (const char *)&c->keys[k];
            c->batch->items[k].key_len = sizeof c->keys[k];
            c->batch->items[k].data = c->values[0];
            c->batch->items[k].size = size;
        }
        weir_submit(s, NULL, c->batch);
    }
    snprintf(name, sizeof name, "overhead of an entry of %llu B",
             (unsigned long long)size);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_gauge(s, "capacity") / bench_gauge(s, "items") -
                  (double)size - (double)sizeof *c->keys,
        .unit = "B",
    });
    weir_store_free(s);
    weir_batch_free(c->batch);
    free(c);
}

static void entry(void)
{
    entry_of(64);
    entry_of(1000);
    entry_of(65536);
}

static bool wanted(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return argc < 2;
}

int main(int argc, char **argv)
{
    struct client *c = client_new(1);

    snprintf(shm_url, sizeof shm_url,
             "shm://?path=/dev/shm/weir-bench-%d&capacity=256MiB&destroy=true",
             (int)getpid());
    memory = bench_open("memory://?capacity=256MiB");
    shm = bench_open(shm_url);
    fill(c, memory);
    fill(c, shm);
    if (wanted(argc, argv, "gets"))
        gets();
    if (wanted(argc, argv, "sets"))
        sets();
    if (wanted(argc, argv, "processes"))
        processes();
    if (wanted(argc, argv, "entry"))
        entry();
    weir_store_free(shm);
    weir_store_free(memory);
    return 0;
}
