/* ops.c -- see ops.h.
 *
 * Most of an operation's time is waiting for memory: for a bucket, an entry, a
 * value. So a group of items goes through these together, and each step loads
 * what the next one reads. The lock of a shard is held for one step of its
 * items: other threads may use the shard between two steps, and then a step
 * has loaded something in vain. */
#include "ops.h"

#include "atomic.h"
#include "get.h"
#include "scan.h"
#include "set.h"

static void exists_locked(struct turn *t, struct place *at,
                          struct weir_item *item)
{
    struct entry *e = shard_find(t->shard, &at->key, t->now_ms, &t->dead);

    item->status = e != NULL ? WEIR_OK : WEIR_MISS;
}

static void stat_locked(struct turn *t, struct place *at,
                        struct weir_item *item)
{
    struct entry *e = shard_find(t->shard, &at->key, t->now_ms, &t->dead);
    uint64_t expires_ms = e != NULL ? entry_expires(e) : 0;

    item->status = e != NULL ? WEIR_OK : WEIR_MISS;
    if (e == NULL)
        return;
    item->size = entry_size(e);
    item->ttl_ms = expires_ms > 0 ? expires_ms - t->now_ms : 0;
}

static void delete_locked(struct turn *t, struct place *at,
                          struct weir_item *item)
{
    struct entry *e = shard_find(t->shard, &at->key, t->now_ms, &t->dead);

    if (e != NULL)
        shard_drop(t->shard, e, &t->dead);
    item->status = e != NULL ? WEIR_OK : WEIR_MISS;
}

typedef void op_locked(struct turn *t, struct place *at,
                       struct weir_item *item);

static op_locked *const OPS[WEIR_OPS] = {
    [WEIR_GET] = get_locked,     [WEIR_EXISTS] = exists_locked,
    [WEIR_STAT] = stat_locked,   [WEIR_DELETE] = delete_locked,
    [WEIR_TOUCH] = touch_locked, [WEIR_GAT] = gat_locked,
    [WEIR_TAKE] = take_locked,
};

enum { LOAD_STEPS = 8 }; /* entries of a bucket to load; few have more */

/* Items that are worked on together. */
struct group {
    struct weir_call *call;
    struct weir_item *items;
    uint32_t n;
    struct place places[MEMORY_GROUP];
    uint8_t order[MEMORY_GROUP]; /* by shard, then as they came */
};

/* Loads the entries of all items into the processor's cache, and the values for
 * a get. Each step looks at the next entry of a bucket, for the items whose
 * entry was not among those before. Buckets have two entries on average: of ten
 * keys, one has three entries before its own. */
static void group_load(const struct group *g)
{
    struct turn t = {.call = g->call};
    uint8_t left[MEMORY_GROUP];
    uint32_t n = g->n;

    memcpy(left, g->order, n);
    for (uint32_t step = 0; step < LOAD_STEPS && n > 0; step++) {
        uint32_t kept = 0;

        for (uint32_t k = 0; k < n; k++) {
            uint32_t i = left[k];
            const struct place *at = &g->places[i];
            struct entry *e;

            turn_pass(&t, at);
            left[kept] = (uint8_t)i;
            kept +=
                table_prefetch_next(&at->shard->table, at->key.hash, step, &e);
            if (e != NULL && g->call->op == WEIR_GET)
                get_fetch(e, &g->items[i]);
        }
        n = kept;
    }
    turn_pause(&t);
}

static void group_run(struct group *g, struct memory *m)
{
    struct turn t = {.call = g->call};

    for (uint32_t k = 0; k < g->n; k++) {
        uint32_t i = g->order[k];

        turn_pass(&t, &g->places[i]);
        OPS[g->call->op](&t, &g->places[i], &g->items[i]);
    }
    turn_end(&t, m);
}

/* Sets one value at a time: malloc is fastest when the block that was freed
 * last is asked for next. Allocating needs no lock of a shard. */
static void group_set(struct group *g, struct memory *m)
{
    for (uint32_t k = 0; k < g->n; k++) {
        struct turn t = {.call = g->call};
        uint32_t i = g->order[k];

        if (!set_prepare(m, &g->places[i], g->call, &g->items[i]))
            continue;
        turn_pass(&t, &g->places[i]);
        set_locked(&t, &g->places[i], &g->items[i]);
        turn_end(&t, m);
    }
}

/* Runs the atomic ops that make a value. Each takes the lock by itself. */
static void group_change(struct group *g, struct memory *m)
{
    for (uint32_t k = 0; k < g->n; k++)
        change_run(m, g->call, &g->places[g->order[k]], &g->items[g->order[k]]);
}

static bool memory_returns(uint32_t op)
{
    return op == WEIR_GET || op == WEIR_GAT || op == WEIR_TAKE;
}

static void group_locate(struct group *g, const struct memory *m, uint32_t i)
{
    const struct weir_item *item = &g->items[i];
    uint64_t hash = weir_hash(item->key, item->key_len, m->seed);
    struct place *at = &g->places[i];

    at->shard = &m->shards[hash >> 32 & (m->n_shards - 1)];
    at->key.bytes = item->key;
    at->key.len = item->key_len;
    at->key.hash = hash & (TABLE_END - 1);
    at->e = NULL;
    at->value = NULL;
    at->size_only = false;
    table_prefetch_bucket(&at->shard->table, at->key.hash);
}

/* Puts the items in the order of their shards. */
static void group_sort(struct group *g, const struct memory *m)
{
    uint8_t ends[MEMORY_SHARDS_MAX], sum = 0;

    memset(ends, 0, m->n_shards);
    for (uint32_t i = 0; i < g->n; i++)
        ends[g->places[i].shard - m->shards]++;
    for (uint32_t s = 0; s < m->n_shards; s++)
        ends[s] = sum += ends[s];
    for (uint32_t i = g->n; i-- > 0;)
        g->order[--ends[g->places[i].shard - m->shards]] = (uint8_t)i;
}

/* Leaves them as they are. */
static void group_keep(struct group *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        g->order[i] = (uint8_t)i;
}

/* Whether the store is so small that the processor's cache has all of it. The
 * first shard stands for the others. */
static bool memory_cached(const struct memory *m)
{
    enum { BUCKETS = 4096 };

    return (uint64_t)m->n_shards * table_buckets(&m->shards[0].table) <=
           BUCKETS;
}

/* Loads what the items need. A single one would only wait twice. In a small
 * store, all is in the processor's cache: there, looking at entries twice costs
 * more than it saves. */
static void group_load_all(const struct group *g, const struct memory *m)
{
    bool cached = memory_cached(m);

    if (g->n == 1 || (!m->bodies && cached))
        return;
    for (uint32_t i = 0; i < g->n; i++)
        table_prefetch_first(&g->places[i].shard->table, g->places[i].key.hash);
    if (!cached)
        group_load(g);
}

static void memory_group(struct memory *m, struct weir_call *call,
                         struct weir_item *items, uint32_t n)
{
    struct group g; /* places are filled as needed: zeroing them takes time */

    g.call = call;
    g.items = items;
    g.n = n;
    for (uint32_t i = 0; i < n; i++)
        group_locate(&g, m, i);
    if (n == 1 || m->n_shards == 1)
        group_keep(&g);
    else
        group_sort(&g, m);
    group_load_all(&g, m);
    if (call->op == WEIR_SET)
        group_set(&g, m);
    else if (OPS[call->op] != NULL)
        group_run(&g, m);
    else
        group_change(&g, m);
    for (uint32_t i = 0; i < n && memory_returns(call->op); i++)
        get_answer(call, &g.places[i], &items[i]);
}

int memory_run(void *session, struct weir_call *call)
{
    struct memory *m = session;

    for (uint32_t i = 0; i < call->n && call->op == WEIR_SCAN; i++)
        memory_scan(m, call, &call->items[i]);
    for (uint32_t i = 0; i < call->n && call->op != WEIR_SCAN;
         i += MEMORY_GROUP) {
        uint32_t left = call->n - i;

        memory_group(m, call, &call->items[i],
                     left < MEMORY_GROUP ? left : MEMORY_GROUP);
    }
    return 0;
}
