/* atomic.c -- the atomic ops under contention: no increment and no appended
 * byte is lost, exactly one add of a key succeeds, and a loop of get and cas
 * counts right, for values of every size. Run it under the sanitizers. */
#include <pthread.h>
#include <string.h>

#include "../check.h"
#include "weir.h"

enum {
    THREADS = 4,
    ROUNDS = SANITIZED ? 600 : 2000,
    FEW = 200,     /* rounds of what copies long values */
    LARGE = 20000, /* bytes around a counter */
    PIECE = 61,    /* bytes of an appended piece */
};

/* spec/shm/atomic.c has another. */
#ifndef ATOMIC_STORES
#define ATOMIC_STORES                                                          \
    "memory://?capacity=256MiB&shards=4", "memory://?capacity=256MiB&shards=1"
#endif

static const char *const STORES[] = {ATOMIC_STORES};

static struct weir_store *store;

struct worker {
    pthread_t thread;
    struct weir_batch *batch;
    char mark; /* of its pieces */
    uint64_t added;
};

/* Prepares an op on one key. The caller fills in the rest and sends it. */
static struct weir_item *begin(struct weir_batch *b, uint32_t op,
                               const char *key)
{
    CHECK(weir_batch_reset(b, op, 1) == 0);
    b->items[0].key = key;
    b->items[0].key_len = (uint32_t)strlen(key);
    return &b->items[0];
}

static int done(struct weir_batch *b)
{
    CHECK(weir_submit(store, NULL, b) == 1);
    return b->items[0].status;
}

static int send_value(struct weir_batch *b, uint32_t op, const char *key,
                      char *data, size_t size)
{
    struct weir_item *item = begin(b, op, key);

    item->data = data;
    item->size = size;
    return done(b);
}

static int64_t incr(struct weir_batch *b, const char *key, int64_t by)
{
    struct weir_item *item = begin(b, WEIR_INCR, key);

    item->number = by;
    CHECK(done(b) == WEIR_OK);
    return item->number;
}

/* A counter of 8 bytes at the begin of a value of that size. */
static void count_by_cas(struct weir_batch *b, const char *key, size_t size)
{
    char bytes[LARGE] = {0};
    struct weir_item *item;
    uint64_t n;
    int status;

    do {
        uint64_t version;

        item = begin(b, WEIR_GET, key);
        CHECK(done(b) == WEIR_OK && item->value->size == size);
        version = weir_version_of(item->value->data, size);
        memcpy(bytes, item->value->data, size);
        memcpy(&n, bytes, sizeof n);
        n++;
        memcpy(bytes, &n, sizeof n);
        item = begin(b, WEIR_CAS, key);
        item->data = bytes;
        item->size = size;
        item->number = (int64_t)version;
        status = done(b);
        CHECK(status == WEIR_OK || status == WEIR_REJECTED);
    } while (status != WEIR_OK);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    char piece[PIECE], key[32];
    int64_t last = 0, now;

    memset(piece, w->mark, sizeof piece);
    for (int i = 0; i < ROUNDS; i++) {
        now = incr(w->batch, "count", 1);
        CHECK(now > last);
        last = now;
        snprintf(key, sizeof key, "add/%d", i);
        w->added += send_value(w->batch, WEIR_ADD, key, &w->mark, 1) == WEIR_OK;
        count_by_cas(w->batch, "small", 8);
    }
    for (int i = 0; i < FEW; i++) {
        count_by_cas(w->batch, "large", LARGE);
        CHECK(send_value(w->batch, WEIR_APPEND, "log", piece, sizeof piece) ==
              WEIR_OK);
        CHECK(w->batch->items[0].number % PIECE == 0);
    }
    return NULL;
}

static uint64_t counter_of(struct weir_batch *b, const char *key)
{
    struct weir_item *item = begin(b, WEIR_GET, key);
    uint64_t n;

    CHECK(done(b) == WEIR_OK);
    memcpy(&n, item->value->data, sizeof n);
    return n;
}

/* Every piece is there, whole, and as often as it was appended. */
static void check_log(struct weir_batch *b)
{
    struct weir_item *item = begin(b, WEIR_GET, "log");
    uint32_t seen[256] = {0};

    CHECK(done(b) == WEIR_OK);
    CHECK(item->value->size == (uint64_t)THREADS * FEW * PIECE);
    for (uint64_t at = 0; at < item->value->size; at += PIECE) {
        for (int i = 1; i < PIECE; i++)
            CHECK(item->value->data[at + (uint64_t)i] == item->value->data[at]);
        seen[(unsigned char)item->value->data[at]]++;
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(seen['a' + i] == FEW);
}

static void run(const char *url)
{
    static struct worker workers[THREADS];
    struct weir_batch *b = weir_batch_new(1);
    static char zeros[LARGE];
    struct weir_error err;
    uint64_t added = 0;

    CHECK(weir_open(&store, url, NULL, 0, &err) == 0);
    CHECK(send_value(b, WEIR_SET, "small", zeros, 8) == WEIR_OK);
    CHECK(send_value(b, WEIR_SET, "large", zeros, LARGE) == WEIR_OK);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.batch = weir_batch_new(1),
                                     .mark = (char)('a' + i)};
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
        added += workers[i].added;
        weir_batch_free(workers[i].batch);
    }
    CHECK(incr(b, "count", 0) == (int64_t)THREADS * ROUNDS);
    CHECK(added == ROUNDS);
    CHECK(counter_of(b, "small") == (uint64_t)THREADS * ROUNDS);
    CHECK(counter_of(b, "large") == (uint64_t)THREADS * FEW);
    check_log(b);
    weir_batch_free(b);
    weir_store_free(store);
}

/* The numbers are what sha1sum says. */
static void check_versions(void)
{
    char bytes[120];

    memset(bytes, 'x', sizeof bytes);
    CHECK(weir_version_of("", 0) == 0xda39a3ee5e6b4b0d);
    CHECK(weir_version_of("abc", 3) == 0xa9993e364706816a);
    CHECK(weir_version_of(bytes, 55) == 0xcef734ba81a02447);
    CHECK(weir_version_of(bytes, 56) == 0x901305367c259952);
    CHECK(weir_version_of(bytes, 64) == 0xbb2fa3ee7afb9f54);
    CHECK(weir_version_of(bytes, 119) == 0x4300320394f7ee23);
    CHECK(weir_version_of(bytes, 120) == 0xceb2821639c4b6dc);
}

int main(void)
{
    check_versions();
    for (size_t i = 0; i < sizeof STORES / sizeof *STORES; i++)
        run(STORES[i]);
    return 0;
}
