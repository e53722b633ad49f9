/* fs.c -- files in a warm page cache: fs with two workers beside two plain
 * threads that do the least there is to do, by turns, into and out of the same
 * memory. Sets write names that never were, in directories that are there
 * already; nothing is deleted before the end, for creating files is ten times
 * slower on ext4 after a mass delete. Run it alone, or as `weir bench fs`; the
 * folder for the files is $TMPDIR or /tmp.
 *
 *     build/bench/fs [get|set]... */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

enum {
    ROUNDS = 7, /* of figure and reference by turns */
    THREADS = 2,
    FLIGHT = 2, /* batches */
    KEYS_MAX = 2048,
};

struct size_case {
    const char *name;
    size_t size;
    unsigned keys;   /* in all, spread over the batches in flight */
    unsigned repeat; /* of a round of gets */
    const char *get_target, *set_target;
};

static const struct size_case cases[] = {
    {"4 KiB", 4 << 10, 2048, 8, NULL, NULL},
    {"64 KiB", 64 << 10, 512, 8, NULL, NULL},
    {"1 MiB", 1 << 20, 64, 8, ">= 0.8x", ">= 0.7x"},
    {"4 MiB", 4 << 20, 32, 4, ">= 0.8x", ">= 0.7x"},
};

static char folder[256];
static char keys[KEYS_MAX][24];
static char *memory; /* of all values of a case, one after the other */

/* ---- the folder ---- */

static int folder_unlink(const char *path, const struct stat *st, int flag,
                         struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void folder_remove(void)
{
    nftw(folder, folder_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static void folder_make(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%s/weir-bench-XXXXXX",
             base != NULL ? base : "/tmp");
    if (mkdtemp(folder) == NULL)
        bench_die(folder, strerror(errno));
    atexit(folder_remove);
}

/* Names a path below the folder and makes it a directory. */
static void folder_fresh(char *out, size_t cap, const char *kind)
{
    static unsigned turn;

    snprintf(out, cap, "%s/%s%u", folder, kind, turn++);
    if (mkdir(out, 0700) < 0)
        bench_die(out, strerror(errno));
}

/* Names that nothing was called before. */
static void keys_fresh(void)
{
    static unsigned turn;

    for (int i = 0; i < KEYS_MAX; i++)
        snprintf(keys[i], sizeof keys[i], "key-%03u-%06d", turn, i);
    turn++;
}

/* ---- two plain threads ---- */

struct plain {
    const struct size_case *of;
    int dir;
    unsigned total;
    atomic_uint next; /* the threads claim their work as workers do */
};

static void plain_get(struct plain *p, unsigned i)
{
    int fd = openat(p->dir, keys[i], O_RDONLY | O_CLOEXEC);
    size_t size = p->of->size;

    if (fd < 0 || pread(fd, memory + i * size, size, 0) != (ssize_t)size)
        bench_die(keys[i], strerror(errno));
    close(fd);
}

static void plain_set(struct plain *p, unsigned i)
{
    size_t size = p->of->size;
    char temp[32];
    int fd;

    snprintf(temp, sizeof temp, ".%s", keys[i]);
    fd = openat(p->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, memory + i * size, size) != (ssize_t)size)
        bench_die(temp, strerror(errno));
    close(fd);
    if (renameat(p->dir, temp, p->dir, keys[i]) < 0)
        bench_die(temp, strerror(errno));
}

static void *plain_getter(void *arg)
{
    struct plain *p = arg;
    unsigned i;

    while ((i = atomic_fetch_add(&p->next, 1)) < p->total)
        plain_get(p, i % p->of->keys);
    return NULL;
}

static void *plain_setter(void *arg)
{
    struct plain *p = arg;
    unsigned i;

    while ((i = atomic_fetch_add(&p->next, 1)) < p->total)
        plain_set(p, i);
    return NULL;
}

/* Returns the bytes a second of all values done `repeat` times. */
static double plain_round(const struct size_case *of, const char *path,
                          void *(*work)(void *), unsigned repeat)
{
    struct plain p = {.of = of, .total = of->keys * repeat};
    pthread_t threads[THREADS];
    uint64_t start;

    p.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    start = weir_now();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, &p);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    start = weir_now() - start;
    close(p.dir);
    return (double)p.total * (double)of->size * 1e9 / (double)start;
}

/* ---- fs ---- */

struct ours {
    struct weir_store *store;
    struct weir_cq *cq;
    struct weir_batch *batches[FLIGHT];
};

static struct ours ours_open(const struct size_case *of, const char *path)
{
    struct weir_setting settings[] = {{"path", path}, {"workers", "2"}};
    struct weir_error err;
    struct ours o = {0};

    if (weir_open(&o.store, "fs", settings, 2, &err) < 0)
        bench_die(path, err.message);
    weir_cq_new(&o.cq);
    for (int i = 0; i < FLIGHT; i++)
        o.batches[i] = weir_batch_new(of->keys / FLIGHT);
    return o;
}

static void ours_close(struct ours *o)
{
    for (int i = 0; i < FLIGHT; i++)
        weir_batch_free(o->batches[i]);
    weir_store_free(o->store);
    weir_cq_free(o->cq);
}

static void ours_submit(struct ours *o, const struct size_case *of,
                        struct weir_batch *b, uint32_t op, unsigned first)
{
    unsigned n = of->keys / FLIGHT;

    weir_batch_reset(b, op, n);
    b->tag = first;
    for (unsigned i = 0; i < n; i++) {
        struct weir_item *item = &b->items[i];

        item->key = keys[first + i];
        item->key_len = (uint32_t)strlen(keys[first + i]);
        item->data = memory + (first + i) * of->size;
        item->size = of->size;
        item->cap = of->size;
    }
    if (weir_submit(o->store, o->cq, b) != 0)
        bench_die("submit", b->error.message);
}

static double ours_round(struct ours *o, const struct size_case *of,
                         uint32_t op, unsigned repeat)
{
    unsigned left = FLIGHT * repeat, going = 0;
    uint64_t start = weir_now();

    for (; going < FLIGHT; going++)
        ours_submit(o, of, o->batches[going], op, going * (of->keys / FLIGHT));
    while (left > 0) {
        struct weir_batch *b;

        weir_cq_wait(o->cq, WEIR_FOREVER);
        if (weir_cq_drain(o->cq, &b, 1) == 0)
            continue;
        if (b->errors > 0)
            bench_die("fs", b->error.message);
        left--;
        if (going < FLIGHT * repeat) {
            going++;
            ours_submit(o, of, b, op, (unsigned)b->tag);
        }
    }
    start = weir_now() - start;
    return (double)of->keys * repeat * (double)of->size * 1e9 / (double)start;
}

/* ---- the cases ---- */

static void report(const char *verb, const struct size_case *of, double *figure,
                   double *reference, const char *how, const char *target)
{
    char name[80];

    snprintf(name, sizeof name, "fs: %s %s, 2 workers", verb, of->name);
    bench_report(&(struct bench_row){
        .name = name,
        .figure = bench_median(figure, ROUNDS) / 1e6,
        .unit = "MB/s",
        .reference = how,
        .of = bench_median(reference, ROUNDS) / 1e6,
        .target = target,
    });
}

static void bench_get(const struct size_case *of)
{
    double figure[ROUNDS], reference[ROUNDS];
    char plain[300], path[300];
    struct ours o;

    folder_fresh(plain, sizeof plain, "plain");
    folder_fresh(path, sizeof path, "fs");
    o = ours_open(of, path);
    plain_round(of, plain, plain_setter, 1);
    ours_round(&o, of, WEIR_SET, 1);
    for (int r = 0; r < ROUNDS; r++) {
        reference[r] = plain_round(of, plain, plain_getter, of->repeat);
        figure[r] = ours_round(&o, of, WEIR_GET, of->repeat);
    }
    report("get", of, figure, reference, "open, pread, close by 2 threads",
           of->get_target);
    ours_close(&o);
}

static void bench_set(const struct size_case *of)
{
    double figure[ROUNDS], reference[ROUNDS];
    char plain[300], path[300];
    struct ours o;

    for (int r = 0; r < ROUNDS; r++) {
        folder_fresh(plain, sizeof plain, "plain");
        reference[r] = plain_round(of, plain, plain_setter, 1);
        folder_fresh(path, sizeof path, "fs");
        o = ours_open(of, path);
        figure[r] = ours_round(&o, of, WEIR_SET, 1);
        ours_close(&o);
    }
    report("set", of, figure, reference, "write, rename by 2 threads",
           of->set_target);
}

static int asked(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return 1;
    }
    return argc == 1;
}

int main(int argc, char **argv)
{
    size_t largest = 0;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].size * cases[i].keys > largest)
            largest = cases[i].size * cases[i].keys;
    }
    memory = malloc(largest);
    if (memory == NULL)
        bench_die("malloc", strerror(errno));
    memset(memory, 'v', largest);
    keys_fresh();
    folder_make();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (asked(argc, argv, "get"))
            bench_get(&cases[i]);
        if (asked(argc, argv, "set"))
            bench_set(&cases[i]);
    }
    free(memory);
    return 0;
}
