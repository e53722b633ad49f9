/* footprint.c -- the capacity bounds the memory that the process really uses,
 * for small, large and mixed values. What threads that set large values lose
 * to malloc's arenas is malloc's. */
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "weir.h"

enum { MIB = 1 << 20, CAPACITY = 64 * MIB };

struct load {
    const char *what;
    struct weir_store *store;
    size_t smallest, largest; /* of the values */
    int threads;
};

static size_t resident(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t total, pages;

    CHECK(f != NULL && fscanf(f, "%zu %zu", &total, &pages) == 2);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static uint64_t gauge(struct weir_store *s, const char *name)
{
    struct weir_gauge gauges[16];
    size_t n = weir_store_gauges(s, gauges, 16);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(gauges[i].name, name) == 0)
            return gauges[i].value;
    }
    CHECK(!"a gauge of that name");
    return 0;
}

static size_t random_size(const struct load *l, uint64_t *random)
{
    size_t range = l->largest - l->smallest;

    return l->smallest + (range ? random_below(random, range) : 0);
}

/* Set a thread's part of three times the capacity. */
static void *fill(void *arg)
{
    const struct load *l = arg;
    uint64_t random = (uintptr_t)&l ^ check_seed, left;
    struct weir_batch *b = weir_batch_new(1);
    char *bytes = malloc(l->largest);
    char key[17];

    memset(bytes, 'x', l->largest);
    for (left = 3ull * CAPACITY / (uint64_t)l->threads; left > l->largest;) {
        size_t size = random_size(l, &random);

        CHECK(weir_batch_reset(b, WEIR_SET, 1) == 0);
        snprintf(key, sizeof key, "%016llx",
                 (unsigned long long)random_next(&random));
        b->items[0].key = key;
        b->items[0].key_len = 16;
        b->items[0].data = bytes;
        b->items[0].size = size;
        CHECK(weir_submit(l->store, NULL, b) == 1);
        CHECK(b->items[0].status == WEIR_OK);
        left -= size;
    }
    free(bytes);
    weir_batch_free(b);
    return NULL;
}

static void check_load(const char *what, size_t smallest, size_t largest,
                       int threads)
{
    struct load l = {what, NULL, smallest, largest, threads};
    struct weir_error err;
    pthread_t ids[8];
    size_t before, after;
    double items, each;

    CHECK(weir_open(&l.store, "memory://?capacity=64MiB", NULL, 0, &err) == 0);
    malloc_trim(0);
    before = resident();
    for (int i = 0; i < threads; i++)
        CHECK(pthread_create(&ids[i], NULL, fill, &l) == 0);
    for (int i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    after = resident();
    items = (double)gauge(l.store, "items");
    each = (double)gauge(l.store, "bytes") / items;
    printf("%-24s %.0f items of %.0f bytes; resident %.2f of the capacity\n",
           what, items, each, (double)(after - before) / CAPACITY);
    if (smallest == largest)
        printf("%-24s %.0f bytes an item over key and value\n", "",
               each - 16 - (double)smallest);
    CHECK(items * each > CAPACITY * 0.9 && items * each <= CAPACITY);
    CHECK(after < before + CAPACITY + CAPACITY / 8 + 4 * largest);
    weir_store_free(l.store);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("a sanitizer's own memory would be counted\n");
    return 77;
#endif
    check_seed = 3;
    check_load("64 B", 64, 64, 1);
    check_load("64 B, 4 threads", 64, 64, 4);
    check_load("1 KiB", 1024, 1024, 1);
    check_load("1 MiB", MIB, MIB, 1);
    check_load("1 B to 64 KiB", 1, 65536, 1);
    return 0;
}
