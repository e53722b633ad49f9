/* lmdb.c -- small values by the million: the lmdb connector beside fs and a
 * redis-server that appends to a file, by turns, in batches of 64.
 *
 *     build/bench/lmdb [URL OF REDIS]
 *
 * `weir bench lmdb` starts the server. Each round sets new keys, then gets
 * random ones of the first 20,000. At the end the lmdb store is opened again,
 * and the file is compared with the keys and values in it. The same sets go
 * through LMDB alone, too, and their bytes are appended to a file, which no
 * store can outdo by much (lmdb_alone.h). The files are in $TMPDIR or /tmp.
 *
 * A commit writes all pages that it changed. A batch of 64 keys would change 64
 * pages of a large index, of which each is a key's own. The index of lmdb has
 * levels (connectors/lmdb/levels.h), so that a commit at a million values of 64
 * B writes 19 pages, of which 2 are the log's. With one level it wrote 89. */

#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "lmdb_alone.h"

enum {
    BATCH = 64,
    FLIGHT = 2,
    ROUNDS = 5,
    KEY_LEN = 20,
    VALUE_MAX = 4096,
    WARM = 20000 /* keys that are read */
};

#define GET_SECONDS 0.2

struct size {
    uint32_t bytes;
    const char *name;
    uint32_t keys; /* of lmdb, in all rounds */
};

static const struct size sizes[] = {
    {64, "64 B", 1000000},
    {1024, "1 KiB", 500000},
    {4096, "4 KiB", 200000},
};

struct rate {
    double keys_s;
    double cpu_us; /* of this process, a key */
};

/* A store and the keys set in it so far. */
struct side {
    const char *name;
    struct weir_store *store;
    struct weir_cq *cq;
    struct weir_batch *batches[FLIGHT];
    char keys[FLIGHT][BATCH][KEY_LEN + 1];
    uint32_t size, a_round, held;
    uint64_t random;
    struct rate sets[ROUNDS], gets[ROUNDS];
};

static char payload[VALUE_MAX];
static char folder[200];

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* What side_run is to do, and has done. */
struct job {
    uint32_t op;
    uint32_t keys;  /* to set; 0: go on until the time */
    uint64_t until; /* to get */
    uint32_t sent, open;
    uint64_t done;
};

static bool job_more(const struct job *job)
{
    return job->keys ? job->sent < job->keys : weir_now() < job->until;
}

/* Fills a batch with new keys, or with random ones that were set. */
static void side_fill(struct side *s, int slot, const struct job *job)
{
    struct weir_batch *b = s->batches[slot];

    weir_batch_reset(b, job->op, BATCH);
    b->tag = (uint64_t)slot;
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t n = s->held + job->sent + i;
        char *key = s->keys[slot][i];

        if (job->op == WEIR_GET)
            n = next_random(&s->random) % (s->held < WARM ? s->held : WARM);
        snprintf(key, KEY_LEN + 1, "%020llu", (unsigned long long)n);
        b->items[i].key = key;
        b->items[i].key_len = KEY_LEN;
        if (job->op == WEIR_SET) {
            b->items[i].data = payload;
            b->items[i].size = s->size;
        }
    }
}

static void side_done(const struct side *s, struct job *job,
                      const struct weir_batch *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->items[i].status != WEIR_OK)
            bench_die(s->name, b->errors ? b->error.message : "a key missing");
    }
    job->done += b->n;
}

static void side_start(struct side *s, struct job *job, int slot)
{
    int rc = 1;

    while (rc == 1 && job_more(job)) {
        side_fill(s, slot, job);
        job->sent += BATCH;
        rc = weir_submit(s->store, s->cq, s->batches[slot]);
        if (rc < 0)
            bench_die(s->name, s->batches[slot]->error.message);
        if (rc == 1)
            side_done(s, job, s->batches[slot]);
    }
    job->open += rc == 0;
}

static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static struct rate side_run(struct side *s, struct job job)
{
    uint64_t start = weir_now();
    double cpu = cpu_us();

    for (int slot = 0; slot < FLIGHT; slot++)
        side_start(s, &job, slot);
    while (job.open > 0) {
        struct weir_batch *done[FLIGHT];
        int n;

        weir_cq_wait(s->cq, WEIR_FOREVER);
        n = weir_cq_drain(s->cq, done, FLIGHT);
        job.open -= (uint32_t)n;
        for (int i = 0; i < n; i++) {
            side_done(s, &job, done[i]);
            side_start(s, &job, (int)done[i]->tag);
        }
    }
    if (job.op == WEIR_SET)
        s->held += job.sent;
    return (struct rate){
        (double)job.done * 1e9 / (double)(weir_now() - start),
        (cpu_us() - cpu) / (double)job.done,
    };
}

static struct job gets(void)
{
    return (struct job){.op = WEIR_GET,
                        .until = weir_now() + (uint64_t)(GET_SECONDS * 1e9)};
}

static void side_round(struct side *s, int round)
{
    struct job sets = {.op = WEIR_SET, .keys = s->a_round};

    s->sets[round] = side_run(s, sets);
    side_run(s, gets()); /* brings the keys into the caches */
    s->gets[round] = side_run(s, gets());
}

static void side_open(struct side *s, const char *name, const char *url,
                      const struct size *size, uint32_t a_round)
{
    *s = (struct side){.name = name, .size = size->bytes};
    s->a_round = a_round / BATCH * BATCH;
    s->store = bench_open(url);
    weir_cq_new(&s->cq);
    for (int i = 0; i < FLIGHT; i++)
        s->batches[i] = weir_batch_new(BATCH);
}

static void side_close(struct side *s)
{
    for (int i = 0; i < FLIGHT; i++)
        weir_batch_free(s->batches[i]);
    weir_store_free(s->store);
    weir_cq_free(s->cq);
}

static double median(const struct rate *rates, bool cpu)
{
    double samples[ROUNDS];

    for (int i = 0; i < ROUNDS; i++)
        samples[i] = cpu ? rates[i].cpu_us : rates[i].keys_s;
    return bench_median(samples, ROUNDS);
}

/* The figure itself has the target: the peers are of other kinds. */
static void report(const struct size *size, const struct side *ours,
                   const struct side *theirs, bool sets)
{
    const struct rate *our = sets ? ours->sets : ours->gets;
    const struct rate *their = sets ? theirs->sets : theirs->gets;
    char name[80], note[80];

    snprintf(name, sizeof name, "lmdb: %s %s, beside %s", sets ? "set" : "get",
             size->name, theirs->name);
    snprintf(note, sizeof note, "CPU %.2f us a key, %s %.2f us",
             median(our, true), theirs->name, median(their, true));
    bench_report(&(struct bench_row){
        .name = name,
        .figure = median(our, false),
        .unit = "keys/s",
        .reference = theirs->name,
        .of = median(their, false),
        .target = sets ? ">= 3e5" : ">= 5e5",
        .note = note,
    });
}

/* Opens the store again and gets the first keys. */
static void report_open(const struct size *size, struct side *ours,
                        const char *url)
{
    uint32_t held = ours->held;
    struct job once = {.op = WEIR_GET, .keys = BATCH};
    uint64_t start = weir_now();
    char name[80];

    side_open(ours, "lmdb", url, size, 0);
    ours->held = held;
    side_run(ours, once);
    snprintf(name, sizeof name, "lmdb: open with %u values of %s", held,
             size->name);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = (double)(weir_now() - start),
        .unit = "ns",
        .target = "<= 2e9",
    });
}

static void report_disk(const struct size *size, const struct side *ours,
                        const char *path)
{
    char name[80], file[300];
    struct stat st;

    snprintf(file, sizeof file, "%s/data.mdb", path);
    if (stat(file, &st) != 0)
        bench_die(file, strerror(errno));
    snprintf(name, sizeof name, "lmdb: disk for %u values of %s", ours->held,
             size->name);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = (double)st.st_blocks * 512,
        .unit = "bytes",
        .reference = "keys and values",
        .of = (double)ours->held * (KEY_LEN + size->bytes),
        .target = "<= 1.3x",
    });
}

static uint64_t hash_of(uint64_t n)
{
    uint64_t state = n;

    return next_random(&state);
}

static void report_alone(const struct size *size, const struct side *ours,
                         double *alone, double *appends)
{
    double sets = median(ours->sets, false);
    char name[80], note[80];

    snprintf(name, sizeof name, "lmdb: set %s, beside LMDB alone", size->name);
    snprintf(note, sizeof note,
             "%.0f keys/s in the first fifth, %.0f in the "
             "last",
             ours->sets[0].keys_s, ours->sets[ROUNDS - 1].keys_s);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = sets,
        .unit = "keys/s",
        .reference = "LMDB alone",
        .of = bench_median(alone, ROUNDS),
        .target = ">= 1x",
        .note = note,
    });
    snprintf(name, sizeof name, "lmdb: set %s, beside appends", size->name);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = sets,
        .unit = "keys/s",
        .reference = "appends of the same bytes",
        .of = bench_median(appends, ROUNDS),
    });
}

/* Reports the first side beside each other one, and closes those. */
static void report_peers(const struct size *size, struct side *sides, int n)
{
    for (int i = 1; i < n; i++) {
        report(size, &sides[0], &sides[i], true);
        report(size, &sides[0], &sides[i], false);
        side_close(&sides[i]);
    }
}

static void measure(const struct size *size, const char *redis)
{
    static const char *const names[] = {"lmdb", "fs", "alone", "appended"};
    char path[4][256], url[2][300];
    struct side sides[3];
    struct alone alone;
    double alone_sets[ROUNDS], appends[ROUNDS];
    int n = redis ? 3 : 2;

    for (int i = 0; i < 4; i++)
        snprintf(path[i], sizeof path[i], "%s/%s%u", folder, names[i],
                 size->bytes);
    alone_open(&alone, path[2], size->bytes);
    snprintf(url[0], sizeof url[0], "lmdb://%s?capacity=4GiB", path[0]);
    snprintf(url[1], sizeof url[1], "fs://%s", path[1]);
    side_open(&sides[0], "lmdb", url[0], size, size->keys / ROUNDS);
    side_open(&sides[1], "fs", url[1], size, 2048);
    if (redis)
        side_open(&sides[2], "redis", redis, size, 20000);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < n; i++)
            side_round(&sides[i], round);
        alone_sets[round] = alone_set(&alone, sides[0].a_round, BATCH, KEY_LEN,
                                      hash_of, payload);
        appends[round] =
            append_set(path[3], sides[0].a_round, BATCH, KEY_LEN + size->bytes);
    }
    alone_close(&alone);
    report_alone(size, &sides[0], alone_sets, appends);
    report_peers(size, sides, n);
    side_close(&sides[0]);
    report_open(size, &sides[0], url[0]);
    report_disk(size, &sides[0], path[0]);
    side_close(&sides[0]);
    for (int i = 0; i < 4; i++)
        nftw(path[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
    const char *base = getenv("TMPDIR");

    memset(payload, 'v', sizeof payload);
    snprintf(folder, sizeof folder, "%s/weir-bench-XXXXXX",
             base != NULL ? base : "/tmp");
    if (mkdtemp(folder) == NULL)
        bench_die(folder, strerror(errno));
    atexit(remove_folder);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        measure(&sizes[i], argc > 1 ? argv[1] : NULL);
    return 0;
}
