/* heap.c -- blocks of a heap do not overlap, each is given out once, and their
 * memory comes back. */
#include "../../connectors/memory/heap.c"

#include <pthread.h>

#include "../../connectors/memory/ahead.c"
#include "../../connectors/memory/pool.c"
#include "../check.h"

enum {
    POOL = 64 << 20,
    BLOCKS = 20000,
    ROUNDS = 400000,
    THREADS = 4,
    SHARED = 512, /* blocks that threads take from each other */
    SWAPS = SANITIZED ? 50000 : 300000,
};

struct owned {
    uint32_t *at; /* NULL: none */
    size_t bytes;
};

static struct pool *pool;

static struct heap *heap_new(void)
{
    struct heap *h = calloc(1, sizeof *h);

    CHECK(h != NULL);
    h->pool = pool;
    return h;
}

static size_t random_bytes(uint64_t *random)
{
    /* Most are of few sizes, as entries are. */
    if (random_below(random, 4) > 0)
        return 100 + 16 * random_below(random, 3);
    return 25 + random_below(random, HEAP_MOST - 24);
}

/* Fills a block with its own mark, and says whether it still has it. */
static void mark(const struct owned *o, uint32_t mark)
{
    for (size_t i = 0; i < o->bytes / sizeof mark; i++)
        o->at[i] = mark;
}

static bool marked(const struct owned *o, uint32_t mark)
{
    for (size_t i = 0; i < o->bytes / sizeof mark; i++) {
        if (o->at[i] != mark)
            return false;
    }
    return true;
}

static void check_idle(const struct heap *h)
{
    CHECK(h->held == 0 && h->used == 0 && h->emptying == NULL);
    for (unsigned units = 0; units < HEAP_SIZES; units++)
        CHECK(h->free[units] == 0 && h->bins[units] == 0);
    CHECK(pool->n_idle <= POOL_IDLE);
}

static void blocks_are_apart(void)
{
    static struct owned owned[BLOCKS];
    struct heap *h = heap_new();
    uint64_t random = check_seed, used = 0, most = 0;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t i = (uint32_t)random_below(&random, BLOCKS);
        struct owned *o = &owned[i];

        if (o->at != NULL) {
            CHECK(marked(o, i));
            heap_give(pool, o->at);
            used -= o->bytes;
            o->at = NULL;
            continue;
        }
        o->bytes = random_bytes(&random);
        o->at = heap_take(h, o->bytes);
        CHECK(o->at != NULL && (uintptr_t)o->at % HEAP_UNIT == 0);
        CHECK(pool_has(pool, o->at) &&
              pool_has(pool, (char *)o->at + o->bytes - 1));
        mark(o, i);
        used += o->bytes;
        most = used > most ? used : most;
        CHECK(h->used >= used && h->held >= h->used);
    }
    printf("blocks: %llu KiB in use of %llu KiB\n",
           (unsigned long long)h->used / 1024,
           (unsigned long long)h->held / 1024);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (owned[i].at != NULL)
            heap_give(pool, owned[i].at);
    }
    check_idle(h);
    free(h);
}

static void too_much_is_refused(void)
{
    struct heap *h = heap_new();
    uint32_t n = 0;
    void **blocks = malloc(sizeof *blocks * (POOL / HEAP_MOST + 1));

    CHECK(heap_take(h, HEAP_MOST + 1) == NULL);
    CHECK(heap_take_other(h, 100) == NULL);
    while ((blocks[n] = heap_take(h, HEAP_MOST)) != NULL)
        n++;
    CHECK(n == POOL / HEAP_MOST);
    CHECK(heap_take(h, 100) == NULL); /* it would need a run of its own */
    while (n > 0)
        heap_give(pool, blocks[--n]);
    check_idle(h);
    free(blocks);
    free(h);
}

/* ---- threads ---- */

static struct heap *shared;
static _Atomic(uint32_t *) slots[SHARED];

/* Swaps blocks with other threads, by slots that all of them use. */
static void *swap(void *arg)
{
    uint64_t random = (uintptr_t)arg;

    for (int i = 0; i < SWAPS; i++) {
        uint32_t *at = heap_take(shared, 96), *other;

        CHECK(at != NULL);
        mark(&(struct owned){at, 96}, (uint32_t)(uintptr_t)at);
        other = atomic_exchange(&slots[random_below(&random, SHARED)], at);
        if (other == NULL)
            continue;
        CHECK(marked(&(struct owned){other, 96}, (uint32_t)(uintptr_t)other));
        heap_give(pool, other);
    }
    return NULL;
}

static void any_thread_gives_back(void)
{
    pthread_t ids[THREADS];

    shared = heap_new();
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, swap, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    for (int i = 0; i < SHARED; i++) {
        if (slots[i] != NULL)
            heap_give(pool, slots[i]);
    }
    check_idle(shared);
    free(shared);
}

int main(void)
{
    check_seed = 5;
    pool = pool_new(POOL);
    CHECK(pool != NULL);
    blocks_are_apart();
    too_much_is_refused();
    any_thread_gives_back();
    pool_free(pool);
    return 0;
}
