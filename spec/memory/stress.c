/* stress.c -- many threads over one small store: what is read was set under
 * that key, in one piece; a key that stays is in every scan; the capacity
 * holds. Run it under the sanitizers. */
#include <pthread.h>
#include <string.h>

#include "../check.h"
#include "weir.h"

enum {
    THREADS = 4,
    KEYS = 3000,
    STAYING = 200, /* keys that only one thread sets, and nobody deletes */
    BATCH = 16,
    LARGEST = 6000,
};

/* spec/shm/stress.c has others. */
#ifndef STRESS_STORES
#define STRESS_STORES                                                          \
    "memory://?capacity=64MiB&shards=4", "memory://?capacity=64MiB&shards=2",  \
        "memory://?capacity=1MiB&shards=2&eviction=s3fifo",                    \
        "memory://?capacity=1MiB&shards=1&eviction=lru",                       \
        "memory://?capacity=1MiB&shards=1&eviction=sieve"
#endif

static const char *const STORES[] = {STRESS_STORES};

static struct weir_store *store;
static uint64_t until_ns;

/* A value says which key it belongs to, in every word. */
static void fill(char *to, size_t size, uint32_t key)
{
    for (size_t i = 0; i + sizeof key <= size; i += sizeof key)
        memcpy(to + i, &key, sizeof key);
}

static void check_value(const char *data, size_t size, uint32_t key)
{
    CHECK(size % sizeof key == 0 && size <= LARGEST);
    for (size_t i = 0; i < size; i += sizeof key)
        CHECK(memcmp(data + i, &key, sizeof key) == 0);
}

struct worker {
    pthread_t thread;
    uint64_t random;
    struct weir_batch *batch;
    uint32_t keys[BATCH];
    char bytes[BATCH][LARGEST + 8];
};

static uint32_t random_op(uint64_t *random)
{
    static const uint32_t OPS[] = {WEIR_GET,   WEIR_GET,    WEIR_GET,
                                   WEIR_SET,   WEIR_SET,    WEIR_EXISTS,
                                   WEIR_TOUCH, WEIR_DELETE, WEIR_STAT};

    return OPS[random_below(random, sizeof OPS / sizeof *OPS)];
}

static void fill_set(struct worker *w, uint32_t i, struct weir_item *item)
{
    size_t size = random_below(&w->random, LARGEST / 4 + 1) * 4;
    char *data = w->bytes[i];

    if (random_below(&w->random, 2))
        item->value = weir_value_new(size, &data);
    else
        item->data = data;
    fill(data, size, w->keys[i]);
    item->size = size;
    item->ttl_ms = random_below(&w->random, 4) ? 0 : 1;
}

static void fill_batch(struct worker *w, uint32_t op)
{
    uint32_t n = 1 + (uint32_t)random_below(&w->random, BATCH);

    CHECK(weir_batch_reset(w->batch, op, n) == 0);
    for (uint32_t i = 0; i < n; i++) {
        struct weir_item *item = &w->batch->items[i];

        w->keys[i] = STAYING + (uint32_t)random_below(&w->random, KEYS);
        item->key = (const char *)&w->keys[i];
        item->key_len = sizeof w->keys[i];
        if (op == WEIR_SET)
            fill_set(w, i, item);
        if (op == WEIR_GET && random_below(&w->random, 2)) {
            item->data = w->bytes[i];
            item->cap = random_below(&w->random, LARGEST + 8);
        }
    }
}

static void check_get(const struct worker *w, uint32_t i)
{
    const struct weir_item *item = &w->batch->items[i];

    if (item->status == WEIR_TOOBIG)
        CHECK(item->data != NULL && item->size > item->cap);
    else if (item->status == WEIR_OK)
        check_value(item->data ? item->data : item->value->data, item->size,
                    w->keys[i]);
    else
        CHECK(item->status == WEIR_MISS);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    while (weir_now() < until_ns) {
        uint32_t op = random_op(&w->random);

        fill_batch(w, op);
        CHECK(weir_submit(store, NULL, w->batch) == 1);
        for (uint32_t i = 0; i < w->batch->n; i++) {
            if (op == WEIR_GET)
                check_get(w, i);
            else
                CHECK(
                    w->batch->items[i].status == WEIR_OK ||
                    (op != WEIR_SET && w->batch->items[i].status == WEIR_MISS));
        }
    }
    return NULL;
}

static void set_one(struct weir_batch *b, uint32_t key)
{
    CHECK(weir_batch_reset(b, WEIR_SET, 1) == 0);
    b->items[0].key = (const char *)&key;
    b->items[0].key_len = sizeof key;
    b->items[0].data = (char *)&key;
    b->items[0].size = sizeof key;
    CHECK(weir_submit(store, NULL, b) == 1 && b->items[0].status == WEIR_OK);
}

/* Note which of the staying keys are on a page. */
static void read_page(const struct weir_value *page, uint8_t *met)
{
    struct weir_scan_entry head;
    uint32_t key;

    for (size_t at = 0; at < page->size;
         at += sizeof head + ((head.key_len + 7u) & ~7u)) {
        memcpy(&head, page->data + at, sizeof head);
        CHECK(head.key_len == sizeof key);
        memcpy(&key, page->data + at + sizeof head, sizeof key);
        CHECK(key < STAYING + KEYS);
        if (key < STAYING)
            met[key]++;
    }
}

static int evicted(void)
{
    struct weir_gauge gauges[64];
    size_t n = weir_store_gauges(store, gauges, 64);
    uint64_t bytes = 0, capacity = 0, evictions = 0;

    CHECK(n <= 64);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(gauges[i].name, "bytes") == 0)
            bytes = gauges[i].value;
        else if (strcmp(gauges[i].name, "capacity") == 0)
            capacity = gauges[i].value;
        else if (strcmp(gauges[i].name, "evictions") == 0)
            evictions = gauges[i].value;
    }
    CHECK(bytes > 0 && bytes <= capacity);
    return evictions > 0;
}

static void scan(struct weir_batch *b)
{
    uint8_t met[STAYING] = {0};
    uint64_t cursor = 0;

    do {
        CHECK(weir_batch_reset(b, WEIR_SCAN, 1) == 0);
        b->items[0].cap = 64;
        b->items[0].cursor = cursor;
        CHECK(weir_submit(store, NULL, b) == 1);
        CHECK(b->items[0].status == WEIR_OK);
        read_page(b->items[0].value, met);
        cursor = b->items[0].cursor;
    } while (cursor != 0);
    for (uint32_t key = 0; key < STAYING && !evicted(); key++)
        CHECK(met[key] == 1);
}

static void run(const char *url, uint64_t seconds)
{
    static struct worker workers[THREADS];
    struct weir_batch *b = weir_batch_new(1);
    struct weir_error err;
    int scans = 0;

    CHECK(weir_open(&store, url, NULL, 0, &err) == 0);
    until_ns = weir_now() + seconds * 1000000000;
    for (uint32_t key = 0; key < STAYING; key++)
        set_one(b, key);
    for (int i = 0; i < THREADS; i++) {
        workers[i].random = check_seed + (uint64_t)i;
        workers[i].batch = weir_batch_new(BATCH);
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (; weir_now() < until_ns; scans++)
        scan(b);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
        weir_batch_free(workers[i].batch);
    }
    printf("%s: %d scans, %s evictions\n", url, scans,
           evicted() ? "with" : "without");
    CHECK(scans > 0);
    weir_batch_free(b);
    weir_store_free(store);
}

int main(void)
{
    const char *soak = getenv("WEIR_SOAK");
    uint64_t seconds = soak != NULL ? strtoull(soak, NULL, 10) / 4 + 1 : 1;

    check_seed = 99;
    for (size_t i = 0; i < sizeof STORES / sizeof *STORES; i++)
        run(STORES[i], seconds);
    return 0;
}
