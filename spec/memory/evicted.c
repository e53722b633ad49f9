/* evicted.c -- a memory store that keeps what it drops: each dropped value is
 * read once, with its reason, uncopied, or counted as lost; and one that keeps
 * nothing has nothing to read. One whose values have no bytes tells how old
 * they were. Then threads set while one reads: run it under
 * the sanitizers. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "../check.h"
#include "weir.h"

enum {
    ALL = 1 << WEIR_EVICTED_CAPACITY | 1 << WEIR_EVICTED_EXPIRED |
          1 << WEIR_EVICTED_REPLACED,
    SMALL = 16,
    LARGE = 2000,
    THREADS = 3,
    SETS = 20000, /* of each thread */
};

static struct weir_store *store;

static void open_store(const char *url)
{
    struct weir_error err;

    CHECK(weir_open(&store, url, NULL, 0, &err) == 0);
}

static void close_store(void)
{
    CHECK(weir_close(store, 0, WEIR_CLOSE_DRAIN) == 0);
    CHECK(weir_evicted_keep(store, ALL, 1, 1) == -ESHUTDOWN);
    weir_store_free(store);
}

/* Sets a value of its own; large ones are returned, with no reference. */
static struct weir_value *set(uint32_t key, size_t size, uint64_t ttl_ms)
{
    struct weir_batch *b = weir_batch_new(1);
    struct weir_item *item = &b->items[0];
    char *data;
    struct weir_value *value = weir_value_new(size, &data);

    CHECK(value != NULL && size >= sizeof key);
    memset(data, 0, size);
    memcpy(data, &key, sizeof key);
    CHECK(weir_batch_reset(b, WEIR_SET, 1) == 0);
    item->key = (const char *)&key;
    item->key_len = sizeof key;
    item->value = value;
    item->size = size;
    item->ttl_ms = ttl_ms;
    weir_submit(store, NULL, b);
    CHECK(item->status == WEIR_OK);
    weir_batch_free(b);
    return value;
}

static uint64_t gauge(const char *name)
{
    struct weir_gauge gauges[16];
    size_t n = weir_store_gauges(store, gauges, 16);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(gauges[i].name, name) == 0)
            return gauges[i].value;
    }
    CHECK(!"no such gauge");
    return 0;
}

static void check_one(const struct weir_evicted *e, uint32_t why, size_t size)
{
    CHECK(e->why == why && e->key_len == sizeof(uint32_t));
    CHECK(e->value->size == size);
    CHECK(memcmp(e->value->data, e->key, sizeof(uint32_t)) == 0);
}

static void reads_what_was_replaced_and_expired(void)
{
    struct weir_evicted out[4];
    struct weir_value *value;
    uint64_t until;

    open_store("memory://?capacity=1MiB");
    CHECK(weir_evicted_read(store, out, 4) == 0);
    set(1, SMALL, 0);
    set(1, SMALL, 0);
    CHECK(weir_evicted_read(store, out, 4) == 0);
    CHECK(weir_evicted_keep(store, ALL, 100, 1 << 20) == 0);
    value = set(1, LARGE, 0);
    set(1, SMALL, 1);
    CHECK(weir_evicted_read(store, out, 1) == 1);
    check_one(&out[0], WEIR_EVICTED_REPLACED, SMALL);
    CHECK(out[0].ttl_ms == 0);
    CHECK(weir_evicted_read(store, out + 1, 3) == 1);
    check_one(&out[1], WEIR_EVICTED_REPLACED, LARGE);
    CHECK(out[1].value == value);
    weir_value_unref(out[0].value);
    weir_value_unref(out[1].value);
    for (until = weir_now() + 2000000; weir_now() < until;)
        ;
    set(1, SMALL, 0);
    CHECK(weir_evicted_read(store, out, 4) == 1);
    check_one(&out[0], WEIR_EVICTED_EXPIRED, SMALL);
    weir_value_unref(out[0].value);
    close_store();
}

/* Touched for the first time, an entry moves to where it has room for a time:
 * its value is still there. */
static void reads_nothing_of_a_touch(void)
{
    struct weir_batch *b = weir_batch_new(1);
    struct weir_evicted out[4];
    uint32_t key = 1;

    open_store("memory://?capacity=1MiB");
    CHECK(weir_evicted_keep(store, ALL, 100, 1 << 20) == 0);
    for (size_t size = SMALL; size <= LARGE; size += LARGE - SMALL) {
        set(key, size, 0);
        weir_batch_reset(b, WEIR_TOUCH, 1);
        b->items[0].key = (const char *)&key;
        b->items[0].key_len = sizeof key;
        b->items[0].ttl_ms = 100000;
        CHECK(weir_submit(store, NULL, b) == 1);
        CHECK(b->items[0].status == WEIR_OK);
        CHECK(weir_evicted_read(store, out, 4) == 0);
        key++;
    }
    weir_batch_free(b);
    close_store();
}

/* A value that needs the room of all others needs that of its predecessor, too,
 * which is replaced nevertheless: nobody may keep it elsewhere. */
static void tells_apart_what_is_replaced(void)
{
    struct weir_evicted out[4];

    for (int i = 0; i < 4; i++) {
        static const char *const URLS[] = {
            "memory://?capacity=64KiB&eviction=s3fifo",
            "memory://?capacity=64KiB&eviction=lru",
            "memory://?capacity=64KiB&eviction=sieve",
            "memory://?capacity=64KiB&eviction=fifo"};

        open_store(URLS[i]);
        CHECK(weir_evicted_keep(store, ALL, 100, 1 << 20) == 0);
        set(1, 30000, 0);
        set(2, 2 * LARGE, 0);
        set(1, 61000, 0);
        CHECK(weir_evicted_read(store, out, 4) == 2);
        check_one(&out[0], WEIR_EVICTED_CAPACITY, 2 * LARGE);
        check_one(&out[1], WEIR_EVICTED_REPLACED, 30000);
        weir_value_unref(out[0].value);
        weir_value_unref(out[1].value);
        close_store();
    }
}

static void reads_what_had_no_room(void)
{
    struct weir_evicted out[16];
    uint64_t read = 0, evicted;
    int n;

    open_store("memory://?capacity=64KiB");
    CHECK(weir_evicted_keep(store, 1 << WEIR_EVICTED_CAPACITY, 1 << 20,
                            1 << 20) == 0);
    for (uint32_t key = 0; key < 200; key++)
        set(key, key % 2 ? LARGE : SMALL, key % 3 ? 0 : 60000);
    evicted = gauge("evictions");
    while ((n = weir_evicted_read(store, out, 16)) > 0) {
        for (int i = 0; i < n; i++) {
            uint32_t key;

            memcpy(&key, out[i].key, sizeof key);
            check_one(&out[i], WEIR_EVICTED_CAPACITY, key % 2 ? LARGE : SMALL);
            CHECK(key % 3 ? out[i].ttl_ms == 0
                          : out[i].ttl_ms > 0 && out[i].ttl_ms <= 60000);
            weir_value_unref(out[i].value);
        }
        read += (uint64_t)n;
    }
    CHECK(evicted > 0 && read == evicted && gauge("evicted_lost") == 0);
    close_store();
}

static void keeps_no_more_than_it_may(void)
{
    struct weir_evicted out[16];
    uint64_t evicted;

    open_store("memory://?capacity=64KiB");
    CHECK(weir_evicted_keep(store, ALL, 3, 1 << 20) == 0);
    for (uint32_t key = 0; key < 200; key++)
        set(key, LARGE, 0);
    evicted = gauge("evictions");
    CHECK(weir_evicted_read(store, out, 16) == 3);
    CHECK(gauge("evicted_lost") == evicted - 3);
    for (int i = 0; i < 3; i++)
        weir_value_unref(out[i].value);
    CHECK(weir_evicted_keep(store, ALL, 1000, 3 * LARGE) == 0);
    for (uint32_t key = 0; key < 200; key++)
        set(key, LARGE, 0);
    CHECK(weir_evicted_read(store, out, 16) == 2);
    for (int i = 0; i < 2; i++)
        weir_value_unref(out[i].value);
    set(1000, LARGE, 0);
    CHECK(weir_evicted_keep(store, 0, 0, 0) == 0);
    CHECK(weir_evicted_read(store, out, 16) == 0);
    close_store();
}

static void others_have_none(void)
{
    open_store("null://");
    CHECK(weir_evicted_keep(store, ALL, 1, 1) == -ENOTSUP);
    weir_store_free(store);
}

static void *set_many(void *arg)
{
    uint64_t random = (uintptr_t)arg;

    for (int i = 0; i < SETS; i++)
        set((uint32_t)random_below(&random, 5000),
            random_below(&random, 2) ? SMALL : LARGE, 0);
    return NULL;
}

/* Every value that was dropped for room is read, or counted as lost. */
static void threads_lose_none(void)
{
    pthread_t threads[THREADS];
    struct weir_evicted out[64];
    uint64_t read = 0;
    int n, idle = 0;

    open_store("memory://?capacity=1MiB&shards=4");
    CHECK(weir_evicted_keep(store, 1 << WEIR_EVICTED_CAPACITY, 256, 1 << 20) ==
          0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, set_many, (void *)(i + 1)) ==
              0);
    while (idle < 1000 || gauge("evictions") == 0) {
        n = weir_evicted_read(store, out, 64);
        CHECK(n >= 0);
        for (int i = 0; i < n; i++) {
            CHECK(memcmp(out[i].value->data, out[i].key, out[i].key_len) == 0);
            weir_value_unref(out[i].value);
        }
        read += (uint64_t)n;
        idle = n > 0 ? 0 : idle + 1;
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    while ((n = weir_evicted_read(store, out, 64)) > 0) {
        for (int i = 0; i < n; i++)
            weir_value_unref(out[i].value);
        read += (uint64_t)n;
    }
    CHECK(read + gauge("evicted_lost") == gauge("evictions"));
    close_store();
}

static void at_second(uint64_t seconds)
{
    weir_set_now(seconds * 1000000000);
}

static void run_key(uint32_t op, uint32_t key)
{
    struct weir_batch *b = weir_batch_new(1);

    CHECK(weir_batch_reset(b, op, 1) == 0);
    b->items[0].key = (const char *)&key;
    b->items[0].key_len = sizeof key;
    b->items[0].ttl_ms = op == WEIR_TOUCH ? 3600000 : 0;
    weir_submit(store, NULL, b);
    CHECK(b->items[0].status == WEIR_OK);
    weir_batch_free(b);
}

static void tells_ages(void)
{
    struct weir_evicted_ages ages;
    struct weir_evicted out[4];

    at_second(10);
    open_store(
        "memory://?bodies=false&shards=1&capacity_items=2&eviction=fifo");
    set(1, SMALL, 0); /* before ages are counted */
    CHECK(weir_evicted_ages(store, &ages) == 0 && ages.age.count == 0);
    CHECK(weir_evicted_keep(store, ALL, 10, 1 << 20) == 0);
    set(2, SMALL, 0);
    at_second(11);
    run_key(WEIR_GET, 1);
    run_key(WEIR_TOUCH, 2); /* a copy of the entry; no read, no drop */
    at_second(12);
    set(3, SMALL, 0); /* evicts 1 */
    set(4, SMALL, 0); /* evicts 2 */
    CHECK(weir_evicted_read(store, out, 4) == 2);
    for (int i = 0; i < 2; i++)
        weir_value_unref(out[i].value);
    CHECK(weir_evicted_ages(store, &ages) == 0);
    CHECK(ages.age.count == 1 && ages.unread == 1 && ages.bytes == SMALL);
    CHECK(ages.age.sum_ns == 2000000000 && ages.idle.max_ns == 2000000000);
    run_key(WEIR_GET, 3);
    set(4, SMALL, 0); /* replaced, not evicted */
    CHECK(weir_evicted_keep(store, 0, 0, 0) == 0);
    at_second(17);
    set(5, SMALL, 0); /* evicts 3 */
    at_second(18);
    set(6, SMALL, 0); /* evicts 4 */
    CHECK(weir_evicted_ages(store, &ages) == 0);
    CHECK(ages.age.count == 2 && ages.unread == 1 && ages.bytes == 2 * SMALL);
    CHECK(ages.age.sum_ns == 11000000000 && ages.age.max_ns == 6000000000);
    CHECK(ages.idle.sum_ns == 11000000000);
    CHECK(weir_evicted_ages(store, &ages) == 0 && ages.age.count == 0);
    weir_set_now(0);
    close_store();
    open_store("memory://");
    CHECK(weir_evicted_ages(store, &ages) == -ENOTSUP);
    close_store();
}

int main(void)
{
    tells_ages();
    reads_what_was_replaced_and_expired();
    reads_nothing_of_a_touch();
    tells_apart_what_is_replaced();
    reads_what_had_no_room();
    keeps_no_more_than_it_may();
    others_have_none();
    threads_lose_none();
    return 0;
}
