/* ops.c -- see ops.h.
 *
 * Most of an operation's time is waiting for memory: for a bucket, an entry, a
 * value. So a group of items goes through these together, and each step loads
 * what the next one reads. A group takes each shard's lock once. */
#include "ops.h"

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
    [WEIR_GET] = get_locked,       [WEIR_SET] = set_locked,
    [WEIR_EXISTS] = exists_locked, [WEIR_STAT] = stat_locked,
    [WEIR_DELETE] = delete_locked, [WEIR_TOUCH] = touch_locked,
};

/* Loads the entries of the turn's items, and the values of a get. */
static void turn_load(const struct turn *t, const struct place *places,
                      const struct weir_item *items, uint32_t n)
{
    struct entry *found[MEMORY_GROUP];
    uint32_t hashes[MEMORY_GROUP], of[MEMORY_GROUP], left = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (places[i].shard == t->shard) {
            hashes[left] = places[i].key.hash;
            of[left++] = i;
        }
    }
    table_prefetch_all(&t->shard->table, hashes, found, left);
    for (uint32_t i = 0; i < left && t->call->op == WEIR_GET; i++)
        get_fetch(found[i], &items[of[i]]);
}

/* Runs the items of one shard, and clears the shard of their places. */
static void turn_run(struct shard *s, struct weir_call *call,
                     struct place *places, struct weir_item *items, uint32_t n)
{
    struct turn t = {.call = call, .shard = s};

    lock_acquire(&s->lock);
    t.now_ms = shard_time(s);
    if (n > 1)
        turn_load(&t, places, items, n);
    for (uint32_t i = 0; i < n; i++) {
        if (places[i].shard != s)
            continue;
        places[i].shard = NULL;
        OPS[call->op](&t, &places[i], &items[i]);
    }
    lock_release(&s->lock);
    entry_free_all(t.dead);
}

static void memory_locate(const struct memory *m, const struct weir_item *item,
                          struct place *at)
{
    uint64_t hash = weir_hash(item->key, item->key_len, m->seed);

    at->shard = &m->shards[hash >> 32 & (m->n_shards - 1)];
    at->key.bytes = item->key;
    at->key.len = item->key_len;
    at->key.hash = hash & (TABLE_END - 1);
    at->e = NULL;
    at->value = NULL;
    at->size_only = false;
    table_prefetch_bucket(&at->shard->table, at->key.hash);
}

static void memory_group(struct memory *m, struct weir_call *call,
                         struct weir_item *items, uint32_t n)
{
    struct place places[MEMORY_GROUP];

    for (uint32_t i = 0; i < n; i++)
        memory_locate(m, &items[i], &places[i]);
    for (uint32_t i = 0; i < n && n > 1; i++)
        table_prefetch_first(&places[i].shard->table, places[i].key.hash);
    for (uint32_t i = 0; i < n && call->op == WEIR_SET; i++)
        set_prepare(m, &places[i], call, &items[i]);
    for (uint32_t i = 0; i < n; i++) {
        if (places[i].shard != NULL)
            turn_run(places[i].shard, call, places, items, n);
    }
    for (uint32_t i = 0; i < n && call->op == WEIR_GET; i++)
        get_answer(call, &places[i], &items[i]);
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
