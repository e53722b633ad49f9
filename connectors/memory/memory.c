/* memory.c -- keeps values in this process, on the caller's thread.
 *
 * A store is some shards. The hash of a key says which shard it belongs to.
 * Each shard has a share of the capacity, and evicts on its own (shard.h,
 * eviction.h). A set is REJECTED when no shard has room for the value; then the
 * older value of the key is dropped. Otherwise only NOSPACE can happen, when
 * the process is out of memory.
 *
 * The entries of large shards lie in a pool (pool.h), those of small ones are
 * blocks of malloc: a pool would take a page a shard and size at least. With
 * a capacity of 256 MiB or more, a store has a thread once it has grown: it
 * only makes memory ready (ahead.h). */
#include <errno.h>

#include "ops.h"
#include "release.h"
#include "shared_options.h"

enum { SHARDS_AUTO_MAX = 64 };

/* A value must fit in a shard with many others: the default has a shard for
 * each of these. */
static const uint64_t SHARD_AUTO_SIZE = UINT64_C(256) << 20;

/* The capacity of a shard whose entries lie in a pool, and the address space of
 * a pool: for free blocks and runs with few entries there is some to spare. A
 * pool that is used up is no fault either: malloc takes over. */
static const uint64_t SHARD_POOL_FROM = UINT64_C(32) << 20;
static const uint64_t POOL_SPARE = UINT64_C(8) << 20;
static const uint64_t POOL_MOST = UINT64_C(256) << 30;

/* The capacity from which on pieces that are ready, but not in use, are small
 * beside the rest. A sixteenth of it is for tables. */
static const uint64_t AHEAD_FROM = UINT64_C(256) << 20;

struct memory_config {
    uint64_t capacity;
    int64_t capacity_items;
    int eviction;
    bool exact;
    bool bodies;
    uint64_t ttl_ns;
    int64_t shards;
};

#define OPTION(field) .offset = offsetof(struct memory_config, field)

static const struct weir_option MEMORY_OPTIONS[] = {
    {
        .name = "capacity",
        .help = "memory to use at most, with all that an entry needs",
        .type = WEIR_SIZE,
        .value = "64MiB",
        .min = 64 << 10,
        OPTION(capacity),
    },
    {
        .name = "capacity_items",
        .help = "entries to hold at most, within capacity; 0 = no limit",
        .type = WEIR_INTEGER,
        .value = "0",
        .max = INT64_C(1) << 40,
        OPTION(capacity_items),
    },
    {
        .name = "eviction",
        .help = "which entry goes when the store is full",
        .type = WEIR_ENUM,
        .value = "s3fifo",
        .choices = OPTIONS_EVICTION,
        OPTION(eviction),
    },
    {
        .name = "exact",
        .help = "whether eviction follows its paper to the letter, for "
                "simulations; an eviction may look at every entry",
        .type = WEIR_BOOLEAN,
        .value = "false",
        OPTION(exact),
    },
    {
        .name = "bodies",
        .help = "whether to keep the bytes of values; false = only their "
                "sizes, for simulations: a get answers zeros",
        .type = WEIR_BOOLEAN,
        .value = "true",
        OPTION(bodies),
    },
    OPTIONS_TTL(struct memory_config),
    {
        .name = "shards",
        .help = OPTIONS_SHARDS "; 0 = one for each 256 MiB",
        .type = WEIR_INTEGER,
        .value = "0",
        .max = MEMORY_SHARDS_MAX,
        OPTION(shards),
    },
    {.name = NULL},
};

/* In the order of the option's choices. */
static const struct eviction_policy *const POLICIES[] = {
    OPTIONS_POLICIES,
};

static uint32_t memory_shards(const struct memory_config *config)
{
    uint32_t n = 1;

    if (config->shards > 0)
        return (uint32_t)config->shards;
    while (n < SHARDS_AUTO_MAX && config->capacity / (n * 2) >= SHARD_AUTO_SIZE)
        n *= 2;
    return n;
}

/* Frees the entries of all shards together: they lie side by side in memory.
 * Where all of them are freed with the pool, none is looked at. */
static void memory_release(struct memory *m)
{
    struct table *tables[MEMORY_SHARDS_MAX];
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n_shards; i++) {
        if (m->shards[i].apart > 0)
            tables[n++] = &m->shards[i].table;
        else
            m->shards[i].table.items = 0;
    }
    release_tables(tables, n, m->pool);
}

static void memory_close(void *state)
{
    struct memory *m = state;

    ahead_end(&m->ahead);
    evicted_free(&m->evicted);
    memory_release(m);
    for (uint32_t i = 0; i < m->n_shards; i++)
        shard_free(&m->shards[i]);
    pool_free(m->pool);
    free(m->heaps);
    free(m->shards);
    free(m);
}

/* Says what is wrong with a configuration; 0: nothing. */
static int memory_check(const struct memory_config *config, uint32_t shards,
                        struct weir_error *err)
{
    if ((shards & (shards - 1)) != 0)
        return weir_error_set(err, -EINVAL,
                              "option shards: expected a power of two, got %u",
                              shards);
    if (config->capacity / shards < SHARD_LEAST)
        return weir_error_set(
            err, -EINVAL,
            "option capacity: %llu bytes are too few for %u shards, each would "
            "reject every value; expected %uKiB at least, or fewer shards",
            (unsigned long long)config->capacity, shards,
            shards * (SHARD_LEAST >> 10));
    if (config->capacity_items > 0 && config->capacity_items < shards)
        return weir_error_set(
            err, -EINVAL,
            "option capacity_items: %lld entries are too few for %u shards; "
            "expected %u at least, or fewer shards",
            (long long)config->capacity_items, shards, shards);
    return 0;
}

/* The configuration of shard i of n. */
static struct shard_config memory_share(const struct memory_config *config,
                                        uint32_t i, uint32_t n)
{
    uint64_t items = (uint64_t)config->capacity_items;

    return (struct shard_config){
        .capacity = config->capacity / n,
        .max_items = items > 0 ? items / n + (i < items % n) : UINT64_MAX,
        .policy = POLICIES[config->eviction],
        .exact = config->exact,
    };
}

/* Without address space for a pool, malloc is as good. */
static void memory_open_pool(struct memory *m, uint64_t capacity, uint32_t n)
{
    uint64_t bytes = capacity + capacity / 4 + n * POOL_SPARE;

    if (capacity / n < SHARD_POOL_FROM)
        return;
    m->heaps = calloc(n, sizeof *m->heaps);
    if (m->heaps == NULL)
        return;
    m->pool = pool_new(bytes < POOL_MOST ? bytes : POOL_MOST);
    m->evicted.pool = m->pool;
    if (m->pool != NULL && capacity >= AHEAD_FROM)
        pool_ahead(m->pool, &m->ahead, capacity - capacity / 16);
    for (uint32_t i = 0; i < n; i++)
        m->heaps[i].pool = m->pool;
}

static int memory_open_shards(struct memory *m,
                              const struct memory_config *config, uint32_t n)
{
    m->shards = aligned_alloc(_Alignof(struct shard), n * sizeof *m->shards);
    if (m->shards == NULL)
        return -ENOMEM;
    while (m->n_shards < n) {
        struct shard_config share = memory_share(config, m->n_shards, n);
        int rc = shard_init(&m->shards[m->n_shards], &share,
                            m->pool != NULL ? &m->heaps[m->n_shards] : NULL);

        if (rc < 0)
            return rc;
        if (share.capacity >= AHEAD_FROM)
            table_ahead(&m->shards[m->n_shards].table, &m->ahead);
        m->n_shards++;
    }
    return 0;
}

static int memory_open(const void *options, const char *scheme, void **state,
                       struct weir_error *err)
{
    const struct memory_config *config = options;
    uint32_t n = memory_shards(config);
    struct memory *m;
    int rc;

    (void)scheme;
    rc = memory_check(config, n, err);
    if (rc < 0)
        return rc;
    m = calloc(1, sizeof *m);
    if (m == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    m->capacity = config->capacity;
    m->default_ttl_ms = (config->ttl_ns + 999999) / 1000000;
    m->seed = weir_seed();
    m->bodies = config->bodies;
    ahead_init(&m->ahead);
    memory_open_pool(m, config->capacity, n);
    if (memory_open_shards(m, config, n) < 0) {
        memory_close(m);
        return weir_error_set(err, -ENOMEM,
                              "no address space for a capacity of %llu bytes",
                              (unsigned long long)config->capacity);
    }
    *state = m;
    return 0;
}

/* The sums over all shards. */
struct totals {
    uint64_t bytes, items;
    struct shard_counters counters;
};

static struct totals memory_totals(struct memory *m)
{
    struct totals sum = {0};

    for (uint32_t i = 0; i < m->n_shards; i++) {
        struct shard *s = &m->shards[i];

        lock_acquire(&s->lock);
        sum.bytes += shard_bytes(s);
        sum.items += s->table.items;
        sum.counters.evictions += s->counters.evictions;
        sum.counters.expired += s->counters.expired;
        sum.counters.rejected += s->counters.rejected;
        sum.counters.hits_small += s->counters.hits_small;
        sum.counters.hits_main += s->counters.hits_main;
        lock_release(&s->lock);
    }
    return sum;
}

static void memory_keep_evicted(void *state, uint32_t kinds, uint64_t items,
                                uint64_t bytes)
{
    struct memory *m = state;

    evicted_keep(&m->evicted, kinds, items, bytes);
}

static int memory_read_evicted(void *state, struct weir_evicted *out, int max)
{
    struct memory *m = state;

    return evicted_read(&m->evicted, out, max);
}

static int memory_evicted_ages(void *state, struct weir_evicted_ages *out)
{
    struct memory *m = state;

    return m->bodies ? -ENOTSUP : evicted_ages(&m->evicted, out);
}

static uint64_t memory_lost(struct memory *m)
{
    uint64_t lost;

    lock_acquire(&m->evicted.lock);
    lost = m->evicted.lost;
    lock_release(&m->evicted.lock);
    return lost;
}

static size_t memory_gauges(void *state, struct weir_gauge *out, size_t max)
{
    struct memory *m = state;
    struct totals sum = memory_totals(m);
    const struct weir_gauge gauges[] = {
        {"capacity", "bytes the store may use", m->capacity, 0, 0},
        {"bytes", "bytes in use, overhead included", sum.bytes, 0, 0},
        {"items", "entries held", sum.items, 0, 0},
        {"evictions", "entries dropped for room", sum.counters.evictions, 1, 0},
        {"expired", "entries dropped at their time", sum.counters.expired, 1,
         0},
        {"rejected", "values too large for a shard", sum.counters.rejected, 1,
         0},
        {"hits_small", "s3fifo: hits of entries on probation; else all hits",
         sum.counters.hits_small, 1, 0},
        {"hits_main", "s3fifo: hits of entries in the main queue",
         sum.counters.hits_main, 1, 0},
        {"evicted_lost", "dropped values that were to be kept: no room",
         memory_lost(m), 1, 0},
    };
    size_t n = sizeof gauges / sizeof *gauges;

    for (size_t i = 0; i < n && i < max; i++)
        out[i] = gauges[i];
    return n;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .is_inline = true,
    .name = "memory",
    .help = "values in this process: sharded, bounded in bytes, with eviction",
    .options = MEMORY_OPTIONS,
    .config_size = sizeof(struct memory_config),
    .ops = 1 << WEIR_GET | 1 << WEIR_SET | 1 << WEIR_EXISTS | 1 << WEIR_DELETE |
           1 << WEIR_STAT | 1 << WEIR_TOUCH | 1 << WEIR_SCAN | 1 << WEIR_ADD |
           1 << WEIR_REPLACE | 1 << WEIR_INCR | 1 << WEIR_APPEND |
           1 << WEIR_CAS | 1 << WEIR_GAT | 1 << WEIR_TAKE,
    .open = memory_open,
    .close = memory_close,
    .run = memory_run,
    .gauges = memory_gauges,
    .keep_evicted = memory_keep_evicted,
    .read_evicted = memory_read_evicted,
    .evicted_ages = memory_evicted_ages,
};
