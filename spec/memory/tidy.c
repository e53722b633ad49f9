/* tidy.c -- a shard whose entries lie thinly in memory gets them together: the
 * memory comes back, whatever the policy, every entry keeps its value, and the
 * policy evicts the same entries in the same order as if nothing had moved. */
#include "../../connectors/memory/tidy.c"

#include <pthread.h>

#include "../../connectors/memory/heap.c"
#include "../../connectors/memory/pool.c"
#include "../../connectors/memory/shard.c"
#include "models.h"

enum {
    POOL = 64 << 20,
    CAPACITY = 16 << 20,
    KEYS = 100000,
    LEFT = 10, /* of a hundred keys */
    THREADS = 3,
    THREAD_KEYS = SANITIZED ? 20000 : 60000,
    THREAD_ROUNDS = SANITIZED ? 1 : 3,
};

uint64_t weir_now(void)
{
    return 1000000;
}

/* A shard with a heap, and one whose entries are blocks of malloc. */
struct twins {
    struct shard *moving, *still;
    struct pool *pool;
};

static struct shard *shard_new(const struct eviction_policy *policy,
                               struct heap *h)
{
    struct shard_config config = {CAPACITY, UINT64_MAX, policy, false};
    struct shard *s = aligned_alloc(_Alignof(struct shard), sizeof *s);

    CHECK(s != NULL && shard_init(s, &config, h) == 0);
    return s;
}

static struct twins twins_new(const struct eviction_policy *policy)
{
    struct heap *h = calloc(1, sizeof *h);

    CHECK(h != NULL);
    h->pool = pool_new(POOL);
    CHECK(h->pool != NULL);
    return (struct twins){shard_new(policy, h), shard_new(policy, NULL),
                          h->pool};
}

static void twins_free(struct twins *t)
{
    free(t->moving->heap);
    t->moving->heap = NULL;
    CHECK(t->moving->table.items == 0);
    shard_free(t->moving);
    shard_free(t->still);
    pool_free(t->pool);
    free(t->moving);
    free(t->still);
}

static struct table_key key_of(const uint32_t *i)
{
    uint64_t mix = *i;

    return (struct table_key){(const char *)i, sizeof *i,
                              random_next(&mix) & (TABLE_END - 1)};
}

static void put(struct shard *s, uint32_t i, uint32_t size)
{
    struct table_key key = key_of(&i);
    struct entry *dead = NULL, *e = entry_new(s->heap, key.bytes, key.len,
                                              key.hash, size, false);

    CHECK(e != NULL);
    memset(entry_data(e), (int)i, size);
    shard_put(s, e, &dead);
    entry_free_all(shard_pool(s), dead);
    tidy(s);
}

static struct entry *find(struct shard *s, uint32_t i)
{
    struct table_key key = key_of(&i);
    struct entry *dead = NULL;

    return shard_find(s, &key, 0, &dead);
}

static void drop(struct shard *s, uint32_t i)
{
    struct entry *dead = NULL, *e = find(s, i);

    if (e != NULL)
        shard_drop(s, e, &dead);
    entry_free_all(shard_pool(s), dead);
    tidy(s);
}

static void hit(struct shard *s, uint32_t i)
{
    struct entry *e = find(s, i);

    if (e != NULL)
        shard_hit(s, e);
}

static void check_value(struct shard *s, uint32_t i, uint32_t size)
{
    struct entry *e = find(s, i);
    char bytes[ENTRY_EMBEDS];

    CHECK(e != NULL && e->size == size);
    memset(bytes, (int)i, size);
    CHECK(memcmp(entry_data(e), bytes, size) == 0);
}

/* Evicts all of both, and compares the keys. */
static uint32_t same_victims(struct twins *t)
{
    uint32_t n = 0;

    for (;;) {
        struct entry *dead = NULL, *one, *other;

        one = t->moving->config.policy->victim(&t->moving->eviction);
        other = t->still->config.policy->victim(&t->still->eviction);
        CHECK((one == NULL) == (other == NULL));
        if (one == NULL)
            return n;
        CHECK(memcmp(entry_key(one), entry_key(other), sizeof n) == 0);
        shard_take_out(t->moving, one, 0, &dead);
        entry_free_all(t->pool, dead);
        dead = NULL;
        shard_take_out(t->still, other, 0, &dead);
        entry_free_all(NULL, dead);
        tidy(t->moving);
        n++;
    }
}

static void check_memory(const char *what, const struct shard *s)
{
    const struct heap *h = s->heap;

    printf("%s, %s: %llu KiB of %llu KiB in use\n", s->config.policy->name,
           what, (unsigned long long)h->used >> 10,
           (unsigned long long)h->held >> 10);
    CHECK(h->held <= h->used + h->held / 8 + HEAP_SLACK + 8 * RUN_BYTES);
}

/* Most keys are deleted, and the others keep their order. */
static void
memory_of_deleted_entries_returns(const struct eviction_policy *policy)
{
    struct twins t = twins_new(policy);
    uint64_t random = check_seed, full;
    uint32_t left = 0;

    for (uint32_t i = 0; i < KEYS; i++) {
        put(t.moving, i, 64);
        put(t.still, i, 64);
        if (i % 3 == 0) {
            uint32_t k = (uint32_t)random_below(&random, i + 1);

            hit(t.moving, k);
            hit(t.still, k);
        }
    }
    full = t.moving->heap->held;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t mix = i;

        if (random_next(&mix) % 100 < LEFT)
            continue;
        drop(t.moving, i);
        drop(t.still, i);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t mix = i;

        if (random_next(&mix) % 100 < LEFT)
            check_value(t.moving, i, 64);
    }
    left = (uint32_t)t.moving->table.items;
    CHECK(left > 0 && left == t.still->table.items);
    check_memory("after deletes", t.moving);
    CHECK(t.moving->heap->held < full / 3);
    CHECK(same_victims(&t) == left);
    CHECK(t.moving->heap->held == 0);
    twins_free(&t);
}

/* Values of another size come, while one entry of fifty is read all the time
 * and stays: there is such an entry in every run. */
static void another_size_gets_the_memory(const struct eviction_policy *policy)
{
    struct twins t = twins_new(policy);
    uint32_t at = 0, first = 3 * KEYS, n;
    uint64_t most = 0;

    for (; at < first; at++)
        put(t.moving, at, 40);
    n = (uint32_t)t.moving->table.items;
    CHECK(t.moving->counters.evictions > 0);
    for (; at < first + 2 * n; at++) {
        put(t.moving, at, 200);
        hit(t.moving, first - 1 - at % (n / 50) * 50);
        most = t.moving->heap->held > most ? t.moving->heap->held : most;
    }
    check_memory("after another size", t.moving);
    printf("at most %llu KiB of %u\n", (unsigned long long)most >> 10,
           CAPACITY >> 10);
    CHECK(most <= CAPACITY + CAPACITY / 4);
    while (t.moving->table.items > 0) {
        struct entry *dead = NULL, *e = policy->victim(&t.moving->eviction);

        shard_take_out(t.moving, e, 0, &dead);
        entry_free_all(t.pool, dead);
    }
    twins_free(&t);
}

/* ---- threads ---- */

/* As set_prepare, set_locked and turn_end do it: what is made and what is freed
 * is so without the lock. */
static void locked_put(struct shard *s, uint32_t i, uint32_t size)
{
    struct table_key key = key_of(&i);
    struct entry *dead = NULL, *e = entry_new(s->heap, key.bytes, key.len,
                                              key.hash, size, false);

    CHECK(e != NULL);
    memset(entry_data(e), (int)i, size);
    lock_acquire(&s->lock);
    shard_put(s, e, &dead);
    tidy(s);
    lock_release(&s->lock);
    entry_free_all(shard_pool(s), dead);
}

static void locked_drop(struct shard *s, uint32_t i)
{
    struct entry *dead = NULL, *e;

    lock_acquire(&s->lock);
    e = find(s, i);
    if (e != NULL)
        shard_drop(s, e, &dead);
    tidy(s);
    lock_release(&s->lock);
    entry_free_all(shard_pool(s), dead);
}

static void locked_check(struct shard *s, uint32_t i)
{
    struct entry *e;

    lock_acquire(&s->lock);
    e = find(s, i);
    if (e != NULL)
        check_value(s, i, e->size);
    lock_release(&s->lock);
}

struct worker {
    pthread_t id;
    struct shard *s;
    uint64_t random;
};

/* Fills with values of one size, then deletes most keys, and so on. */
static void *worker_run(void *arg)
{
    struct worker *w = arg;

    for (uint32_t round = 0; round < THREAD_ROUNDS; round++) {
        for (uint32_t i = 0; i < THREAD_KEYS; i++) {
            locked_put(w->s, (uint32_t)random_below(&w->random, THREAD_KEYS),
                       40 + 50 * (round % 4));
            locked_check(w->s, (uint32_t)random_below(&w->random, THREAD_KEYS));
        }
        for (uint32_t i = 0; i < 2 * THREAD_KEYS; i++)
            locked_drop(w->s, (uint32_t)random_below(&w->random, THREAD_KEYS));
    }
    return NULL;
}

static void threads_share_a_shard(void)
{
    struct twins t = twins_new(&eviction_lru);
    struct worker workers[THREADS];

    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){0, t.moving, check_seed + i};
        CHECK(pthread_create(&workers[i].id, NULL, worker_run, &workers[i]) ==
              0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(workers[i].id, NULL) == 0);
    check_memory("after threads", t.moving);
    for (uint32_t i = 0; i < THREAD_KEYS; i++)
        locked_drop(t.moving, i);
    CHECK(t.moving->heap->held == 0);
    twins_free(&t);
}

int main(void)
{
    static const struct eviction_policy *const POLICIES[] = {
        &eviction_s3fifo, &eviction_lru, &eviction_fifo, &eviction_sieve};

    /* One thread has no races: a sanitizer looks at one policy. */
    size_t n = SANITIZED ? 1 : sizeof POLICIES / sizeof *POLICIES;

    check_seed = 7;
    for (size_t i = 0; i < n; i++) {
        memory_of_deleted_entries_returns(POLICIES[i]);
        another_size_gets_the_memory(POLICIES[i]);
    }
    threads_share_a_shard();
    return 0;
}
