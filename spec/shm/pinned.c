/* pinned.c -- values that are read in place: no copy is made; their bytes stay
 * whatever is done to their keys, and their space is given back when the last
 * reader is done or dead; a full table, and half a shard pinned, mean copies.
 */
#include "mapping.h"

enum {
    CAPACITY = 4 << 20,
    SIZE = 100000,
};

static struct weir_store *a, *b; /* two opened stores of one mapping */
static struct weir_batch *batch;

/* ---- operations ---- */

static struct weir_item *run(uint32_t op, uint64_t key)
{
    static uint64_t kept;
    struct weir_item *item = &batch->items[0];

    kept = key;
    weir_batch_reset(batch, op, 1);
    item->key = (const char *)&kept;
    item->key_len = sizeof key;
    return item;
}

static int set(struct weir_store *s, uint64_t key, uint64_t size, uint64_t seed)
{
    char *bytes = malloc(size);
    struct weir_item *item = run(WEIR_SET, key);

    telling_fill(bytes, key, size, seed);
    item->data = bytes;
    item->size = size;
    weir_submit(s, NULL, batch);
    free(bytes);
    return item->status;
}

static int drop(struct weir_store *s, uint64_t key)
{
    struct weir_item *item = run(WEIR_DELETE, key);

    weir_submit(s, NULL, batch);
    return item->status;
}

/* The caller's reference; NULL = a miss. */
static struct weir_value *get(struct weir_store *s, uint64_t key)
{
    struct weir_item *item = run(WEIR_GET, key);

    weir_submit(s, NULL, batch);
    CHECK(item->status == WEIR_OK || item->status == WEIR_MISS);
    return item->value != NULL ? weir_value_ref(item->value) : NULL;
}

static void done(struct weir_value *v)
{
    weir_batch_reset(batch, WEIR_GET, 1);
    weir_value_unref(v);
}

static uint64_t gauge(struct weir_store *s, const char *name)
{
    struct weir_gauge gauges[32];
    size_t n = weir_store_gauges(s, gauges, 32);

    for (size_t i = 0; i < n && i < 32; i++) {
        if (strcmp(gauges[i].name, name) == 0)
            return gauges[i].value;
    }
    CHECK(!"a gauge of that name");
    return 0;
}

static struct weir_store *open_store(const char *capacity, const char *verify)
{
    struct weir_setting options[] = {{"path", mapping_path},
                                     {"verify", verify},
                                     {"shards", "1"},
                                     {"capacity", capacity}};
    struct weir_store *s;
    struct weir_error err;

    CHECK(weir_open(&s, "shm", options, capacity ? 4 : 2, &err) == 0);
    return s;
}

static void check_truth(void)
{
    struct shm m;

    weir_batch_reset(batch, WEIR_GET, 1);
    mapping_open(&m, 0, 0, 0);
    truth_check_all(&m);
    mapping_close(&m.map, false);
}

/* ---- what is promised ---- */

static void in_place(void)
{
    struct weir_value *v, *w;

    CHECK(set(a, 1, SIZE, 7) == WEIR_OK);
    v = get(a, 1);
    w = get(a, 1);
    CHECK(v->data == w->data && (uintptr_t)v->data % 64 == 0);
    CHECK(telling_sound(v->data, v->size, 1));
    CHECK(gauge(a, "pinned") >= SIZE && gauge(a, "pinned") < SIZE + 1000);
    CHECK(gauge(a, "copied") == 0);
    done(v);
    CHECK(gauge(b, "pinned") >= SIZE);
    done(w);
    CHECK(gauge(b, "pinned") == 0);
    CHECK(set(a, 2, ENTRY_LARGE - 1, 7) == WEIR_OK);
    v = get(a, 2);
    CHECK(gauge(a, "pinned") == 0 && gauge(a, "copied") == 0);
    done(v);
    CHECK(drop(a, 1) == WEIR_OK && drop(a, 2) == WEIR_OK);
    check_truth();
}

/* The bytes stay when the key is set anew, deleted or evicted by another store;
 * the units come back. */
static void outlives(void)
{
    uint64_t bytes = gauge(a, "bytes");
    struct weir_value *v, *w;

    CHECK(set(a, 1, SIZE, 1) == WEIR_OK);
    v = get(a, 1);
    CHECK(set(b, 1, SIZE, 2) == WEIR_OK);
    w = get(b, 1);
    CHECK(drop(b, 1) == WEIR_OK);
    CHECK(get(a, 1) == NULL && gauge(a, "items") == 0);
    CHECK(gauge(b, "bytes") >= bytes + 2 * SIZE);
    check_truth();
    for (uint64_t i = 0; i < 200; i++)
        CHECK(set(b, 1000 + i, SIZE, i) == WEIR_OK);
    CHECK(gauge(a, "evictions") > 100);
    CHECK(telling_sound(v->data, v->size, 1));
    CHECK(telling_sound(w->data, w->size, 1));
    CHECK(memcmp(v->data, w->data, SIZE) != 0);
    check_truth();
    done(v);
    done(w);
    CHECK(gauge(a, "pinned") == 0);
    for (uint64_t i = 0; i < 200; i++)
        drop(b, 1000 + i);
    CHECK(gauge(a, "bytes") == bytes && gauge(a, "items") == 0);
    check_truth();
}

/* A value may live longer than its store, and with it the mapping. */
static void outlives_store(void)
{
    struct weir_store *c = open_store(NULL, "repaired");
    struct weir_value *v;

    CHECK(set(c, 1, SIZE, 3) == WEIR_OK);
    v = get(c, 1);
    weir_batch_reset(batch, WEIR_GET, 1);
    weir_store_free(c);
    CHECK(drop(a, 1) == WEIR_OK);
    for (uint64_t i = 0; i < 50; i++)
        CHECK(set(a, i, SIZE, i) == WEIR_OK);
    CHECK(telling_sound(v->data, v->size, 1));
    CHECK(gauge(a, "processes") == 3);
    done(v);
    CHECK(gauge(a, "processes") == 2 && gauge(a, "pinned") == 0);
    for (uint64_t i = 0; i < 50; i++)
        drop(a, i);
}

/* No more than half of a shard, and then values are copied; so there is always
 * room for other values, but for one of more than the rest. */
static void half(void)
{
    struct weir_value *held[64];
    uint64_t n = 0;

    while (gauge(a, "copied") == 0 && n < 64) {
        CHECK(set(a, n, SIZE, n) == WEIR_OK);
        held[n] = get(a, n);
        n++;
    }
    CHECK(n > 15 && n < 25);
    CHECK(gauge(a, "pinned") <= CAPACITY / 2);
    for (uint64_t i = 0; i < 50; i++)
        CHECK(set(b, 1000 + i, SIZE, i) == WEIR_OK);
    CHECK(set(b, 2000, CAPACITY * 3 / 4, 0) == WEIR_BUSY);
    CHECK(strstr(batch->error.message, "in place") != NULL);
    CHECK(gauge(a, "items") > 10);
    for (uint64_t i = 0; i < n; i++)
        CHECK(telling_sound(held[i]->data, held[i]->size, i));
    check_truth();
    for (uint64_t i = 0; i < n; i++)
        done(held[i]);
    CHECK(set(b, 2000, CAPACITY * 3 / 4, 0) == WEIR_OK);
    CHECK(drop(b, 2000) == WEIR_OK);
    check_truth();
}

/* A table of pins has at least 16 rows; this one has 64. */
static void full(void)
{
    struct weir_value *held[256];
    uint64_t n = 0, copied = gauge(a, "copied");

    while (n < 256 && gauge(a, "copied") == copied) {
        CHECK(set(a, n, ENTRY_LARGE, n) == WEIR_OK);
        held[n] = get(a, n);
        CHECK(drop(a, n) == WEIR_OK || n == 0);
        n++;
    }
    CHECK(n >= 50 && n <= 65);
    for (uint64_t i = 0; i < n; i++) {
        CHECK(telling_sound(held[i]->data, held[i]->size, i));
        done(held[i]);
    }
    CHECK(gauge(a, "pinned") == 0);
    check_truth();
}

/* ---- processes that die ---- */

/* Reads the key in place and is killed. */
static void reader_dies(uint64_t key)
{
    int ready[2];
    char byte;
    pid_t pid;

    CHECK(pipe(ready) == 0);
    pid = mapping_fork();
    if (pid == 0) {
        struct weir_store *s = open_store(NULL, "repaired");
        struct weir_value *v = get(s, key);

        CHECK(telling_sound(v->data, v->size, key));
        CHECK(write(ready[1], "x", 1) == 1);
        pause();
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK(drop(a, key) == WEIR_OK);
    CHECK(gauge(a, "pinned") >= SIZE);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    close(ready[0]);
    close(ready[1]);
}

static void dead(void)
{
    uint64_t bytes = gauge(a, "bytes");

    CHECK(set(a, 1, SIZE, 1) == WEIR_OK);
    reader_dies(1);
    CHECK(gauge(a, "pinned") == 0 && gauge(a, "bytes") == bytes);
    check_truth();
    /* Nobody looks at the numbers, and it is all the same. */
    for (uint64_t i = 0; i < 40; i++) {
        CHECK(set(a, 1, SIZE, 1) == WEIR_OK);
        reader_dies(1);
        for (uint64_t k = 0; k < 70; k++)
            CHECK(set(a, 1000 + k, SIZE, k) == WEIR_OK);
    }
    CHECK(set(a, 2000, CAPACITY * 3 / 4, 0) == WEIR_OK);
    CHECK(drop(a, 2000) == WEIR_OK);
    check_truth();
}

/* A repair keeps what the living read, also of entries that are gone, and frees
 * what the dead read. */
static void repaired(void)
{
    struct weir_value *v, *w;
    uint64_t items;
    struct shm m;
    struct hold h;

    CHECK(set(a, 1, SIZE, 1) == WEIR_OK && set(a, 2, SIZE, 2) == WEIR_OK);
    v = get(a, 1);
    w = get(b, 2);
    CHECK(drop(a, 1) == WEIR_OK);
    CHECK(set(a, 3, SIZE, 3) == WEIR_OK);
    items = gauge(a, "items");
    mapping_open(&m, 0, 0, 0);
    CHECK(shm_hold(&m, 0, &h) == 0);
    repair_shard(&h);
    CHECK(h.s->items == items);
    truth_check(&h);
    CHECK(h.s->kept_units * UNIT >= SIZE &&
          h.s->pinned_units * UNIT >= 2 * SIZE);
    shm_release(&m, &h);
    mapping_close(&m.map, false);
    for (uint64_t i = 0; i < 100; i++)
        CHECK(set(a, 1000 + i, SIZE, i) == WEIR_OK);
    CHECK(telling_sound(v->data, v->size, 1));
    CHECK(telling_sound(w->data, w->size, 2));
    done(v);
    done(w);
    CHECK(gauge(a, "pinned") == 0 && gauge(a, "corrupt") == 0);
    check_truth();
}

/* ---- others ---- */

/* Something else alters the number of pinned units: that must not keep the room
 * of a shard for ever. */
static void altered(void)
{
    uint64_t repairs = gauge(a, "repairs");
    struct weir_value *v;
    struct shm m;
    struct hold h;

    CHECK(set(a, 1, SIZE, 1) == WEIR_OK);
    v = get(a, 1);
    mapping_open(&m, 0, 0, 0);
    CHECK(shm_hold(&m, 0, &h) == 0);
    h.s->pinned_units = UINT32_MAX;
    shm_release(&m, &h);
    mapping_close(&m.map, false);
    CHECK(set(a, 2, SIZE, 2) == WEIR_OK);
    CHECK(gauge(a, "repairs") == repairs + 1);
    CHECK(gauge(a, "pinned") >= SIZE && gauge(a, "pinned") < 2 * SIZE);
    CHECK(telling_sound(v->data, v->size, 1));
    done(v);
    check_truth();
}

/* With verify=always a value that lies in the mapping is never given out. */
static void verified(void)
{
    struct weir_store *c = open_store(NULL, "always");
    struct weir_value *v;

    CHECK(set(c, 1, SIZE, 1) == WEIR_OK);
    v = get(c, 1);
    CHECK(telling_sound(v->data, v->size, 1) && gauge(c, "pinned") == 0);
    done(v);
    weir_store_free(c);
}

/* A store that keeps a value copies it, so as not to pin it for as long. */
static void kept_by_memory(void)
{
    struct weir_store *memory;
    struct weir_value *v, *w;
    struct weir_item *item;
    struct weir_error err;

    CHECK(weir_open(&memory, "memory", NULL, 0, &err) == 0);
    CHECK(set(a, 1, SIZE, 1) == WEIR_OK);
    v = get(a, 1);
    item = run(WEIR_SET, 1);
    item->value = weir_value_ref(v);
    weir_submit(memory, NULL, batch);
    CHECK(item->status == WEIR_OK);
    w = get(memory, 1);
    CHECK(w->data != v->data && telling_sound(w->data, w->size, 1));
    done(v);
    CHECK(gauge(a, "pinned") == 0);
    done(w);
    weir_store_free(memory);
}

int main(void)
{
    check_seed = 1;
    alarm(200);
    mapping_name();
    unlink(mapping_path);
    batch = weir_batch_new(1);
    a = open_store("4MiB", "repaired");
    b = open_store(NULL, "repaired");
    in_place();
    outlives();
    outlives_store();
    half();
    full();
    dead();
    repaired();
    altered();
    verified();
    kept_by_memory();
    weir_batch_free(batch);
    weir_store_free(a);
    weir_store_free(b);
    return 0;
}
