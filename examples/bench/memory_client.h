/* memory_client.h -- sets and gets in batches, timed, as the cases of `bench
 * memory` make them. */
#ifndef MEMORY_CLIENT_H
#define MEMORY_CLIENT_H

#include "memory_plain.h"

/* What a thread works with. */
struct client {
    struct weir_store *store;
    struct weir_batch *batch;
    struct key keys[BATCH];
    char values[BATCH][VALUE];
};

static struct client *client_new(struct weir_store *store)
{
    struct client *c = calloc(1, sizeof *c);

    if (c == NULL)
        bench_die("calloc", "out of memory");
    c->store = store;
    c->batch = weir_batch_new(BATCH);
    return c;
}

static void client_free(struct client *c)
{
    weir_batch_free(c->batch);
    free(c);
}

/* Runs one batch: sets of the keys from `at` on, or gets of random keys below
 * `range`. Returns its nanoseconds. */
static uint64_t client_batch(struct client *c, uint32_t op, uint64_t at,
                             uint64_t range)
{
    struct weir_batch *b = c->batch;
    uint64_t start;

    weir_batch_reset(b, op, BATCH);
    for (uint32_t i = 0; i < BATCH; i++) {
        c->keys[i] = key_of(op == WEIR_GET ? mix(at + i) % range : at + i);
        b->items[i].key = (const char *)&c->keys[i];
        b->items[i].key_len = sizeof c->keys[i];
        b->items[i].data = c->values[i];
        b->items[i].size = b->items[i].cap = VALUE;
    }
    start = thread_ns();
    weir_submit(c->store, NULL, b);
    start = thread_ns() - start;
    if (b->errors > 0)
        bench_die("a batch failed", b->error.message);
    return start;
}

static void client_fill(struct client *c, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += BATCH)
        client_batch(c, WEIR_SET, i, 0);
}

/* ns a key */
static double client_gets(struct client *c, uint64_t n, uint64_t seed)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < GETS; i += BATCH)
        sum += client_batch(c, WEIR_GET, seed * GETS + i, n);
    return (double)sum / GETS;
}

#endif
