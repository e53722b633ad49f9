/* ops.c -- what a memory store does with each item but to get it (get.c).
 *
 * A large value is a reference to the runtime's, so that its size costs
 * nothing; a small one lies behind its key. What a set replaces or evicts is
 * freed without the shard's lock. */
#include "ops.h"

#include "get.h"
#include "scan.h"

/* Exists and stat. */
static void memory_stat(struct memory *m, const struct place *at,
                        struct weir_call *call, struct weir_item *item)
{
    struct entry *dead = NULL, *e;
    uint64_t now;

    (void)m;
    lock_acquire(&at->shard->lock);
    now = shard_time(at->shard);
    e = shard_find(at->shard, &at->key, now, &dead);
    if (e != NULL && call->op == WEIR_STAT) {
        item->size = entry_size(e);
        item->ttl_ms = e->expires_ms ? e->expires_ms - now : 0;
    }
    lock_release(&at->shard->lock);
    item->status = e != NULL ? WEIR_OK : WEIR_MISS;
    entry_free_all(dead);
}

static uint64_t memory_expires(uint64_t ttl_ms)
{
    uint64_t at;

    if (ttl_ms == 0)
        return 0;
    return __builtin_add_overflow(shard_now_ms(), ttl_ms, &at) ? UINT64_MAX
                                                               : at;
}

static void memory_touch(struct memory *m, const struct place *at,
                         struct weir_call *call, struct weir_item *item)
{
    uint64_t expires_ms = memory_expires(item->ttl_ms);
    struct entry *dead = NULL, *e;

    (void)m;
    (void)call;
    lock_acquire(&at->shard->lock);
    e = shard_find(at->shard, &at->key, shard_time(at->shard), &dead);
    if (e != NULL) {
        shard_expire(at->shard, e, expires_ms);
        shard_hit(at->shard, e);
    }
    lock_release(&at->shard->lock);
    item->status = e != NULL ? WEIR_OK : WEIR_MISS;
    entry_free_all(dead);
}

static void memory_delete(struct memory *m, const struct place *at,
                          struct weir_call *call, struct weir_item *item)
{
    struct entry *dead = NULL, *e;

    (void)m;
    (void)call;
    lock_acquire(&at->shard->lock);
    e = shard_find(at->shard, &at->key, shard_time(at->shard), &dead);
    if (e != NULL)
        shard_drop(at->shard, e, &dead);
    lock_release(&at->shard->lock);
    item->status = e != NULL ? WEIR_OK : WEIR_MISS;
    entry_free_all(dead);
}

/* The value has no room. What it should have replaced goes: nobody may read it
 * for the current one. */
static void memory_reject(const struct place *at, struct weir_item *item)
{
    struct entry *dead = NULL, *e;

    lock_acquire(&at->shard->lock);
    e = shard_find(at->shard, &at->key, shard_time(at->shard), &dead);
    if (e != NULL)
        shard_drop(at->shard, e, &dead);
    at->shard->counters.rejected++;
    lock_release(&at->shard->lock);
    item->status = WEIR_REJECTED;
    entry_free_all(dead);
}

/* Copy a small value, lent or referenced, behind the key. False: it was lent
 * and has been taken back. */
static bool memory_embed(struct entry *e, struct weir_call *call,
                         const struct weir_item *item, uint64_t size)
{
    bool lent = item->value == NULL && size > 0;
    const char *bytes = item->value ? item->value->data : item->data;

    e->embedded = 1;
    if (lent && !weir_call_lend(call))
        return false;
    if (size > 0)
        memcpy(entry_data(e), bytes, size);
    if (lent)
        weir_call_unlend(call);
    e->size = size;
    return true;
}

/* The entry of a set; NULL: the item has been answered. */
static struct entry *memory_entry(const struct place *at,
                                  struct weir_call *call,
                                  struct weir_item *item, uint64_t size)
{
    bool small = size <= ENTRY_EMBEDS;
    struct entry *e =
        entry_new(at->key.bytes, at->key.len, at->key.hash, small ? size : 0);

    if (e == NULL) {
        weir_call_fail(call, item, WEIR_NOSPACE, "out of memory");
        return NULL;
    }
    if (small && memory_embed(e, call, item, size))
        return e;
    if (small)
        item->status = WEIR_SKIPPED;
    else
        e->value = weir_call_value(call, item);
    if (e->value != NULL)
        return e;
    free(e);
    return NULL;
}

static void memory_set(struct memory *m, const struct place *at,
                       struct weir_call *call, struct weir_item *item)
{
    uint64_t size = item->value != NULL ? item->value->size : item->size;
    uint64_t ttl_ms = item->ttl_ms ? item->ttl_ms : m->default_ttl_ms;
    struct entry *dead = NULL, *e;

    if (!shard_fits(at->shard, size)) {
        memory_reject(at, item);
        return;
    }
    e = memory_entry(at, call, item, size);
    if (e == NULL)
        return;
    if (!shard_fits(at->shard, entry_charge(e))) {
        entry_free(e);
        memory_reject(at, item);
        return;
    }
    e->expires_ms = memory_expires(ttl_ms);
    lock_acquire(&at->shard->lock);
    shard_put(at->shard, e, &dead);
    lock_release(&at->shard->lock);
    item->status = WEIR_OK;
    entry_free_all(dead);
}

typedef void memory_op(struct memory *m, const struct place *at,
                       struct weir_call *call, struct weir_item *item);

static memory_op *const OPS[WEIR_OPS] = {
    [WEIR_SET] = memory_set,     [WEIR_EXISTS] = memory_stat,
    [WEIR_STAT] = memory_stat,   [WEIR_DELETE] = memory_delete,
    [WEIR_TOUCH] = memory_touch,
};

static void memory_locate(const struct memory *m, const struct weir_item *item,
                          struct place *at)
{
    uint64_t hash = weir_hash(item->key, item->key_len, m->seed);

    at->shard = &m->shards[hash >> 32 & (m->n_shards - 1)];
    at->key = (struct shard_key){item->key, item->key_len, (uint32_t)hash};
    table_prefetch(&at->shard->table, at->key.hash);
}

static void memory_group(struct memory *m, struct weir_call *call,
                         struct weir_item *items, uint32_t n)
{
    struct place places[MEMORY_GROUP];

    for (uint32_t i = 0; i < n; i++)
        memory_locate(m, &items[i], &places[i]);
    for (uint32_t i = 0; i < n && n > 1; i++)
        table_prefetch_entry(&places[i].shard->table, places[i].key.hash);
    if (call->op == WEIR_GET) {
        memory_get(call, places, items, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        OPS[call->op](m, &places[i], call, &items[i]);
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
