/* shard.c -- the counters of a shard agree with its entries after any mix of
 * sets, gets, deletes, expiries and evictions, under each policy; and the
 * entries agree with a plain map. */
#include "../../connectors/memory/shard.c"
#include "models.h"

enum {
    KEYS = 4096,
    CAPACITY = 256 << 10,
    OPS = 200000, /* for each of six configurations: a million in all */
};

static uint64_t now_ms;

/* The shard's clock: this program's own. */
uint64_t weir_now(void)
{
    return now_ms * 1000000;
}

/* What the map knows of a key: the version that was set last. */
struct known {
    uint64_t version; /* 0 = absent, by delete */
    uint64_t expires_ms;
    uint64_t size;
};

struct trial {
    struct shard s;
    struct known known[KEYS];
    uint64_t random, version;
    uint64_t made, freed; /* entries */
};

static struct trial *trial_new(void)
{
    struct trial *t = aligned_alloc(_Alignof(struct trial), sizeof *t);

    CHECK(t != NULL);
    return memset(t, 0, sizeof *t);
}

static struct table_key key_of(const uint32_t *i)
{
    uint64_t mix = *i;

    return (struct table_key){(const char *)i, sizeof *i,
                              random_next(&mix) & (TABLE_END - 1)};
}

static void bury(struct trial *t, struct entry *dead)
{
    for (struct entry *e = dead; e != NULL; e = entry_chain(e))
        t->freed++;
    entry_free_all(NULL, dead);
}

/* Mostly small values, some of them large enough to push out hundreds. */
static uint64_t random_size(struct trial *t)
{
    uint64_t kind = random_below(&t->random, 100);

    if (kind < 90)
        return 8 + random_below(&t->random, ENTRY_EMBEDS);
    return 8 + random_below(&t->random, kind < 99 ? 4096 : 100000);
}

static struct entry *entry_of(struct trial *t, const struct table_key *key,
                              uint64_t size, bool timed)
{
    uint32_t kind = size <= ENTRY_EMBEDS ? (uint32_t)size : ENTRY_REFERS;
    struct entry *e =
        entry_new(NULL, key->bytes, key->len, key->hash, kind, timed);
    char *data;

    CHECK(e != NULL);
    if (kind == ENTRY_REFERS)
        *entry_word(e) = (uintptr_t)weir_value_new(size, &data);
    memcpy(entry_data(e), &t->version, sizeof t->version);
    t->made++;
    return e;
}

static void set(struct trial *t, uint32_t i)
{
    uint64_t size = random_size(t);
    uint64_t ttl =
        random_below(&t->random, 4) ? 0 : random_below(&t->random, 300);
    struct table_key key = key_of(&i);
    struct entry *dead = NULL, *again = NULL, *e;

    t->version++;
    e = entry_of(t, &key, size, ttl > 0);
    CHECK(shard_fits(&t->s, entry_charge(e)));
    if (ttl > 0)
        e->words[0] = now_ms + ttl;
    t->known[i] = (struct known){t->version, entry_expires(e), size};
    shard_put(&t->s, e, &dead);
    bury(t, dead);
    CHECK(shard_find(&t->s, &key, now_ms, &again) == e && again == NULL);
}

static void get(struct trial *t, uint32_t i)
{
    struct table_key key = key_of(&i);
    const struct known *known = &t->known[i];
    struct entry *dead = NULL, *e = shard_find(&t->s, &key, now_ms, &dead);

    bury(t, dead);
    if (e == NULL)
        return;
    CHECK(known->version != 0 && entry_size(e) == known->size);
    CHECK(memcmp(entry_data(e), &known->version, sizeof known->version) == 0);
    CHECK(entry_expires(e) == known->expires_ms);
    CHECK(entry_expires(e) == 0 || entry_expires(e) > now_ms);
    shard_hit(&t->s, e);
}

static void drop(struct trial *t, uint32_t i)
{
    struct table_key key = key_of(&i);
    struct entry *dead = NULL, *e = shard_find(&t->s, &key, now_ms, &dead);

    t->known[i].version = 0;
    if (e != NULL)
        shard_drop(&t->s, e, &dead);
    bury(t, dead);
    CHECK(shard_find(&t->s, &key, now_ms, &dead) == NULL);
}

static void touch(struct trial *t, uint32_t i)
{
    struct table_key key = key_of(&i);
    struct entry *dead = NULL, *e = shard_find(&t->s, &key, now_ms, &dead);

    bury(t, dead);
    if (e == NULL)
        return;
    t->known[i].expires_ms =
        e->timed && random_below(&t->random, 2) ? now_ms + 100 : 0;
    shard_expire(&t->s, e, t->known[i].expires_ms);
}

/* Counted from scratch, by a walk over all that is there. */
static void check_counts(struct trial *t)
{
    uint64_t items = 0, charges = 0, expiring = 0, next;

    for (uint64_t at = 0; at < TABLE_END; at = next) {
        struct entry *e = table_at(&t->s.table, at, &next);

        for (; e != NULL; e = entry_chain(e)) {
            items++;
            charges += entry_charge(e);
            expiring += entry_expires(e) != 0;
        }
    }
    CHECK(items == t->s.table.items);
    CHECK(items == t->made - t->freed);
    CHECK(items == t->s.eviction.small.items + t->s.eviction.main.items);
    CHECK(charges == eviction_entry_bytes(&t->s.eviction));
    CHECK(items <= t->s.config.max_items);
    CHECK(expiring == t->s.expiring);
}

static void step(struct trial *t)
{
    uint32_t i = (uint32_t)random_below(&t->random, KEYS);
    uint64_t op = random_below(&t->random, 100);

    now_ms += random_below(&t->random, 20) == 0;
    if (op < 40)
        set(t, i);
    else if (op < 85)
        get(t, i);
    else if (op < 95)
        drop(t, i);
    else
        touch(t, i);
    CHECK(shard_bytes(&t->s) <= CAPACITY);
}

static void check_policy(const struct eviction_policy *policy, bool exact,
                         uint64_t max_items)
{
    struct shard_config config = {CAPACITY, max_items, policy, exact};
    struct trial *t = trial_new();

    t->random = check_seed;
    CHECK(shard_init(&t->s, &config, NULL) == 0);
    for (int op = 0; op < OPS; op++) {
        step(t);
        if (op % 10000 == 0)
            check_counts(t);
    }
    check_counts(t);
    CHECK(t->s.counters.evictions > 1000 && t->s.counters.expired > 1000);
    printf("%s: %llu evictions, %llu expired\n", policy->name,
           (unsigned long long)t->s.counters.evictions,
           (unsigned long long)t->s.counters.expired);
    shard_free(&t->s);
    free(t);
}

/* Sets alone free the expired entries that are never read again. */
static void check_sweep(void)
{
    struct shard_config config = {64 << 20, UINT64_MAX, &eviction_lru, false};
    struct trial *t = trial_new();

    CHECK(shard_init(&t->s, &config, NULL) == 0);
    for (uint32_t i = 0; i < 10000; i++) {
        struct table_key key = key_of(&i);
        struct entry *dead = NULL, *e = entry_of(t, &key, 8, true);

        e->words[0] = now_ms + 10;
        now_ms++;
        shard_put(&t->s, e, &dead);
        bury(t, dead);
    }
    printf("sweep: %llu of 10000 left, 10 live\n",
           (unsigned long long)t->s.table.items);
    CHECK(t->s.table.items < 100);
    shard_free(&t->s);
    free(t);
}

/* A set evicts about as much as it adds, from the first eviction on. */
static void check_pace(void)
{
    struct shard_config config = {16 << 20, UINT64_MAX, &eviction_s3fifo,
                                  false};
    struct trial *t = trial_new();
    uint64_t most = 0;

    CHECK(shard_init(&t->s, &config, NULL) == 0);
    for (uint32_t i = 0; i < 400000; i++) {
        struct table_key key = key_of(&i);
        struct entry *dead = NULL, *e = entry_of(t, &key, 8, false);
        uint64_t before = t->s.counters.evictions;

        shard_put(&t->s, e, &dead);
        bury(t, dead);
        if (t->s.counters.evictions - before > most)
            most = t->s.counters.evictions - before;
    }
    printf("pace: a set evicts %llu at most; %llu ghosts for %llu entries\n",
           (unsigned long long)most,
           (unsigned long long)ghost_bytes(&t->s.eviction.ghost) / 2,
           (unsigned long long)t->s.table.items);
    CHECK(most <= 4);
    CHECK(ghost_bytes(&t->s.eviction.ghost) / 2 > t->s.table.items * 17 / 10);
    shard_free(&t->s);
    free(t);
}

int main(void)
{
    check_seed = 42;
    now_ms = 1000;
    check_policy(&eviction_s3fifo, false, UINT64_MAX);
    check_policy(&eviction_s3fifo, false, 300);
    check_policy(&eviction_s3fifo, true, UINT64_MAX);
    check_policy(&eviction_lru, false, UINT64_MAX);
    check_policy(&eviction_fifo, false, 300);
    check_policy(&eviction_sieve, false, UINT64_MAX);
    check_pace();
    check_sweep();
    return 0;
}
