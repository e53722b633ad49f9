/* stress.c -- threads that set, get, touch, delete and scan the same keys
 * through two stores of one folder, while the file is full and a quarter of it
 * dead: a value is whole and its key's, a page of keys is sound. */

#include <pthread.h>

#include "harness.h"

enum {
    THREADS = 4,
    KEYS = 6000,
    SIZES = 8000,
    BATCHES = SANITIZED ? 200 : 400
};

/* The number in a value is that of its key. */
static void fill_batch(struct client *c, uint32_t op, uint64_t *random)
{
    static _Thread_local char values[BATCH][16 + SIZES], names[BATCH][16];

    CHECK(weir_batch_reset(c->batch, op, BATCH) == 0);
    for (int i = 0; i < BATCH; i++) {
        struct weir_item *item = &c->batch->items[i];
        uint64_t key = random_below(random, KEYS);

        snprintf(names[i], sizeof names[i], "key-%d", (int)key);
        item->key = names[i];
        item->key_len = (uint32_t)strlen(names[i]);
        if (op == WEIR_SET) {
            item->data = values[i];
            item->size = 16 + random_below(random, SIZES);
            telling_fill(values[i], item->size, key);
        }
        item->ttl_ms = op != WEIR_GET && random_below(random, 4) == 0 ? 5 : 0;
    }
}

/* The key is not ended by a NUL. */
static uint64_t key_number(const struct weir_item *item)
{
    uint64_t number = 0;

    for (uint32_t i = 4; i < item->key_len; i++)
        number = number * 10 + (uint64_t)(item->key[i] - '0');
    return number;
}

static void check_batch(const struct client *c)
{
    if (c->batch->errors > 0)
        fprintf(stderr, "%s\n", c->batch->error.message);
    CHECK(c->batch->errors == 0);
    for (int i = 0; i < BATCH; i++) {
        const struct weir_item *item = &c->batch->items[i];

        CHECK(item->status == WEIR_OK ||
              (item->status == WEIR_MISS && c->batch->op != WEIR_SET));
        if (item->value != NULL && c->batch->op == WEIR_GET)
            CHECK(telling_number(item->value) == key_number(item));
    }
}

static void scan_all(struct client *c)
{
    uint64_t cursor = 0;

    do {
        const char *at, *end;

        CHECK(weir_batch_reset(c->batch, WEIR_SCAN, 1) == 0);
        c->batch->items[0].key = "key-";
        c->batch->items[0].key_len = 4;
        c->batch->items[0].cursor = cursor;
        client_run(c);
        CHECK(c->batch->items[0].status == WEIR_OK);
        at = c->batch->items[0].value->data;
        end = at + c->batch->items[0].value->size;
        while (at < end) {
            const struct weir_scan_entry *entry = (const void *)at;

            CHECK(entry->size >= 16 && entry->size < 16 + SIZES);
            CHECK(memcmp(entry + 1, "key-", 4) == 0);
            at += (sizeof *entry + entry->key_len + 7) / 8 * 8;
        }
        cursor = c->batch->items[0].cursor;
    } while (cursor != 0);
}

static void *run(void *arg)
{
    static const uint32_t ops[] = {WEIR_SET, WEIR_SET,    WEIR_GET,
                                   WEIR_GET, WEIR_DELETE, WEIR_TOUCH};
    uint64_t random = (uint64_t)(intptr_t)arg;
    struct client c = open_lmdb("capacity=16MiB");

    for (int i = 0; i < BATCHES; i++) {
        fill_batch(&c, ops[random_below(&random, 6)], &random);
        client_run(&c);
        check_batch(&c);
        if (i % 50 == 0)
            scan_all(&c);
        CHECK(gauge(c.store, "bytes") <= 16 << 20);
    }
    close_lmdb(&c);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    struct client c;

    folder_make();
    c = open_lmdb("capacity=16MiB");
    for (intptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, run, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(gauge(c.store, "evictions") > 0 && gauge(c.store, "expired") > 0);
    CHECK(gauge(c.store, "copied") > 0 && gauge(c.store, "full") == 0);
    close_lmdb(&c);
    return 0;
}
