/* fs.c -- the fs connector beside a pool of blocking threads (fs_blocking.h)
 * that keeps plain files, by turns, on the same keys.
 *
 *     build/bench/fs [warm|cold|scan]... [PART OF A NAME]
 *
 * warm: files in the page cache, for each case with the checksum and without
 * (the default). cold: files that were dropped from it. scan: a scan of many
 * files beside find(1). Run it alone or as `weir bench fs`. The files are in
 * /tmp, those of sets in /dev/shm if it has room, all in $TMPDIR if it is set.
 * */

#include "fs_blocking.h"
#include "fs_weir.h"

enum { ROUNDS = 9, SCAN_FILES = 100000 };

#define KIB 1024u
#define MIB 1048576u
#define SECONDS 0.1 /* of a round */

static const char *part = ""; /* of the names of the cells to run */

static const struct cell cells[] = {
    {"exists, 1", WEIR_EXISTS, 4 * KIB, 1, ">= 2x"},
    {"exists, 16", WEIR_EXISTS, 4 * KIB, 16, ">= 2x"},
    {"exists, 256", WEIR_EXISTS, 4 * KIB, 256, ">= 2x"},
    {"get 4 KiB, 1", WEIR_GET, 4 * KIB, 1, ">= 1.3x"},
    {"get 4 KiB, 16", WEIR_GET, 4 * KIB, 16, ">= 1.2x"},
    {"get 4 KiB, 256", WEIR_GET, 4 * KIB, 256, ">= 1.2x"},
    {"get 64 KiB, 1", WEIR_GET, 64 * KIB, 1, ">= 1.1x"},
    {"get 64 KiB, 16", WEIR_GET, 64 * KIB, 16, ">= 1.1x"},
    {"get 64 KiB, 256", WEIR_GET, 64 * KIB, 256, ">= 1.1x"},
    {"get 1 MiB, 1", WEIR_GET, MIB, 1, ">= 1x"},
    {"get 1 MiB, 16", WEIR_GET, MIB, 16, ">= 1x"},
    {"get 4 MiB, 1", WEIR_GET, 4 * MIB, 1, ">= 1x"},
    {"get 4 MiB, 16", WEIR_GET, 4 * MIB, 16, ">= 1.1x"},
    {"set 4 KiB, 1", WEIR_SET, 4 * KIB, 1, ">= 1.27x"},
    {"set 4 KiB, 16", WEIR_SET, 4 * KIB, 16, ">= 1.69x"},
    {"set 64 KiB, 1", WEIR_SET, 64 * KIB, 1, ">= 1.1x"},
    {"set 64 KiB, 16", WEIR_SET, 64 * KIB, 16, ">= 1.1x"},
    {"set 1 MiB, 1", WEIR_SET, MIB, 1, ">= 1x"},
    {"set 1 MiB, 16", WEIR_SET, MIB, 16, ">= 1x"},
    {"set 4 MiB, 1", WEIR_SET, 4 * MIB, 1, ">= 1x"},
    {"set 4 MiB, 16", WEIR_SET, 4 * MIB, 16, ">= 1x"},
};

static const struct cell cold_cells[] = {
    {"get 4 KiB, 16", WEIR_GET, 4 * KIB, 16, NULL},
    {"get 1 MiB, 16", WEIR_GET, MIB, 16, NULL},
    {"get 4 MiB, 16", WEIR_GET, 4 * MIB, 16, NULL},
};

/* Ours are as many stores, in folders of their own. Only cold files are read
 * with the last one. */
enum { STORES = 3 };

static const struct {
    const char *folder, *options, *says;
} stores[STORES] = {
    {"always", "", ""},
    {"never", "verify=never", ", verify=never"},
    {"direct", "direct=256KiB", ", direct=256KiB"},
};

/* ---- the two sides ---- */

static const char *path_of(uint32_t op, const char *name)
{
    static char paths[8][256];
    static unsigned turn;
    char *path = paths[turn++ % 8];

    snprintf(path, 256, "%s/%s", cell_folder(op), name);
    return path;
}

/* Sets all keys of a cell on a side that was opened for sets. */
static void fill_plain(const struct cell *c, const char *path)
{
    struct cell set = *c;
    struct blocking b;
    struct side s;

    set.op = WEIR_SET;
    s = blocking_open(&b, &set, path, 2);
    side_run(&s, &set, 0);
    blocking_close(&b);
}

static void fill_ours(const struct cell *c, const char *path)
{
    struct cell set = *c;
    struct side s;
    struct ours o;

    set.op = WEIR_SET;
    s = ours_open(&o, &set, path, "");
    side_run(&s, &set, 0);
    ours_close(&o);
}

/* Returns the number of threads, 1 to 8, that serves a cell best. */
static uint32_t best_threads(const struct cell *c, const char *path)
{
    uint32_t best = 1;
    double most = 0;

    for (uint32_t n = 1; n <= BLOCKING_THREADS; n *= 2) {
        struct blocking b;
        struct side s = blocking_open(&b, c, path, n);
        double rate;

        side_run(&s, c, SECONDS / 4);
        rate = side_run(&s, c, SECONDS / 2).keys_s;
        blocking_close(&b);
        if (rate > most) {
            most = rate;
            best = n;
        }
    }
    return best;
}

/* Runs one round; a cold one goes over each key once. */
static struct outcome one_round(const struct side *s, const struct cell *c,
                                const char *path, bool cold)
{
    if (!cold)
        return side_run(s, c, SECONDS);
    cell_cool(path);
    return side_run(s, c, 0);
}

/* The rounds of one side. */
struct rounds {
    double keys_s[ROUNDS], cpu_ns[ROUNDS];
};

/* Keeps a round; the first one (-1) does not count. */
static void keep(struct rounds *r, int i, struct outcome o)
{
    if (i < 0)
        return;
    r->keys_s[i] = o.keys_s;
    r->cpu_ns[i] = o.cpu_ns;
}

/* Tells in a cell's name if its files are not on the disk. */
static const char *in_memory(const struct cell *c)
{
    return cell_folder(c->op) == cell_memory ? ", tmpfs" : "";
}

static void report(const struct cell *c, const char *what, bool target,
                   struct rounds *ours, struct rounds *theirs, uint32_t threads)
{
    char name[100], text[60], note[100];

    snprintf(name, sizeof name, "fs: %s%s%s", c->name, in_memory(c), what);
    snprintf(text, sizeof text, "blocking, %u threads", threads);
    snprintf(note, sizeof note, "CPU %.2f us a key, blocking %.2f us",
             bench_median(ours->cpu_ns, ROUNDS) / 1e3,
             bench_median(theirs->cpu_ns, ROUNDS) / 1e3);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(ours->keys_s, ROUNDS),
        .unit = "keys/s",
        .reference = text,
        .of = bench_median(theirs->keys_s, ROUNDS),
        .target = target ? c->target : NULL,
        .note = note,
    });
}

/* Returns whether a cell is also compared with the same work. */
static bool is_bound(const struct cell *c, bool cold)
{
    return !cold && c->op != WEIR_EXISTS;
}

/* The rate beside that of the same work, and the CPU time. The rest of a cell's
 * ratio is the price of the trailer and the checksum. */
static void report_bound(const struct cell *c, struct rounds *ours,
                         struct rounds *bound)
{
    static const char reference[] = "blocking, with trailer and checksum";
    char name[100];

    snprintf(name, sizeof name, "fs: %s%s, same work", c->name, in_memory(c));
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(ours->keys_s, ROUNDS),
        .unit = "keys/s",
        .reference = reference,
        .of = bench_median(bound->keys_s, ROUNDS),
        .target = ">= 1x",
    });
    snprintf(name, sizeof name, "fs: %s%s, CPU time", c->name, in_memory(c));
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(ours->cpu_ns, ROUNDS),
        .unit = "ns",
        .reference = reference,
        .of = bench_median(bound->cpu_ns, ROUNDS),
        .target = "<= 1.1x",
    });
}

static void compare(const struct cell *c, bool cold)
{
    const char *plain = path_of(c->op, "plain"), *path[STORES];
    int n = cold && c->size > 4 * KIB ? STORES : STORES - 1;
    struct rounds figures[STORES], reference, bound;
    struct side theirs, s[STORES];
    struct ours o[STORES];
    struct blocking b;

    fill_plain(c, plain);
    theirs = blocking_open(&b, c, plain, cold ? 8 : best_threads(c, plain));
    for (int v = 0; v < n; v++) {
        path[v] = path_of(c->op, stores[v].folder);
        fill_ours(c, path[v]);
        s[v] = ours_open(&o[v], c, path[v], stores[v].options);
    }
    for (int i = -1; i < ROUNDS; i++) {
        keep(&reference, i, one_round(&theirs, c, plain, cold));
        b.checks = true;
        if (is_bound(c, cold))
            keep(&bound, i, one_round(&theirs, c, plain, cold));
        b.checks = false;
        for (int v = 0; v < n; v++) {
            if (i < 0)
                side_run(&s[v], c, 0);
            keep(&figures[v], i, one_round(&s[v], c, path[v], cold));
        }
    }
    for (int v = 0; v < n; v++) {
        char what[40];

        snprintf(what, sizeof what, "%s%s", cold ? ", cold" : "",
                 stores[v].says);
        report(c, what, v == 0, &figures[v], &reference, b.n_threads);
        if (v == 0 && is_bound(c, cold))
            report_bound(c, &figures[v], &bound);
        ours_close(&o[v]);
        cell_remove(path[v]);
    }
    blocking_close(&b);
    cell_remove(plain);
}

/* ---- scan ---- */

static void run_one(struct weir_store *store, struct weir_cq *cq,
                    struct weir_batch *b)
{
    int rc = weir_submit(store, cq, b);

    if (rc == 0) {
        weir_cq_wait(cq, WEIR_FOREVER);
        weir_cq_drain(cq, &b, 1);
    }
    if (rc < 0 || b->errors > 0)
        bench_die("scan", b->error.message);
}

/* Scans all keys; returns the keys per second. */
static double scan_all(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *b = weir_batch_new(1);
    uint64_t start = weir_now(), cursor = 0;

    do {
        weir_batch_reset(b, WEIR_SCAN, 1);
        b->items[0].key = "";
        b->items[0].cursor = cursor;
        run_one(store, cq, b);
        cursor = b->items[0].cursor;
    } while (cursor != 0);
    weir_batch_free(b);
    return SCAN_FILES * 1e9 / (double)(weir_now() - start);
}

static void scan_fill(struct weir_store *store, struct weir_cq *cq)
{
    enum { BATCH = 1000 };
    static char keys[BATCH][16];
    struct weir_batch *b = weir_batch_new(BATCH);

    for (int at = 0; at < SCAN_FILES; at += BATCH) {
        weir_batch_reset(b, WEIR_SET, BATCH);
        for (int i = 0; i < BATCH; i++) {
            snprintf(keys[i], sizeof keys[i], "scan-%06d", at + i);
            b->items[i].key = keys[i];
            b->items[i].key_len = 11;
            b->items[i].data = keys[i];
            b->items[i].size = 11;
        }
        run_one(store, cq, b);
    }
    weir_batch_free(b);
}

static double find_all(const char *path)
{
    uint64_t start = weir_now();
    char command[300];

    snprintf(command, sizeof command, "find %s -type f >/dev/null", path);
    if (system(command) != 0)
        bench_die(command, "failed");
    return SCAN_FILES * 1e9 / (double)(weir_now() - start);
}

static void scan(void)
{
    static const struct cell cell = {"scan", WEIR_SCAN, 0, 1, ">= 0.34x"};
    double figure[2][ROUNDS], reference[ROUNDS];
    const char *path = path_of(WEIR_SCAN, "fs");
    char url[300];
    struct weir_store *store;
    struct weir_cq *cq;

    if (strstr(cell.name, part) == NULL)
        return;
    snprintf(url, sizeof url, "fs://%s", path);
    store = bench_open(url);
    weir_cq_new(&cq);
    scan_fill(store, cq);
    for (int i = 0; i < ROUNDS; i++) {
        reference[i] = find_all(path);
        figure[0][i] = scan_all(store, cq);
        weir_store_free(store);
        store = bench_open(url);
        figure[1][i] = scan_all(store, cq);
    }
    weir_store_free(store);
    weir_cq_free(cq);
    for (int i = 0; i < 2; i++) {
        char name[60];

        snprintf(name, sizeof name, "fs: scan of %d files%s", SCAN_FILES,
                 i ? ", just opened" : "");
        bench_report(&(struct bench_row){
            .name = name,
            .figure = bench_median(figure[i], ROUNDS),
            .unit = "keys/s",
            .reference = "find",
            .of = bench_median(reference, ROUNDS),
            .target = cell.target,
        });
    }
    cell_remove(path);
}

int main(int argc, char **argv)
{
    bool warm = false, cold = false, scans = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "warm") == 0)
            warm = true;
        else if (strcmp(argv[i], "cold") == 0 || strcmp(argv[i], "--cold") == 0)
            cold = true;
        else if (strcmp(argv[i], "scan") == 0)
            scans = true;
        else
            part = argv[i];
    }
    cell_prepare();
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        if ((warm || !(cold || scans)) && strstr(cells[i].name, part))
            compare(&cells[i], false);
    }
    for (size_t i = 0; i < sizeof cold_cells / sizeof *cold_cells; i++) {
        if (cold && strstr(cold_cells[i].name, part))
            compare(&cold_cells[i], true);
    }
    if (scans)
        scan();
    free(cell_payload);
    return 0;
}
