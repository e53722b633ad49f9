/* run.c -- a batch, a shard at a time.
 *
 * The items of a group go through three passes together, each of which loads
 * what the next one reads: the buckets, the entries, the values. So a batch
 * waits for memory a few times, and not a few times a key. Then the items are
 * done in the order of their shards, and the lock of each is acquired once. */
#include <errno.h>

#include "chain.h"
#include "change.h"
#include "ops.h"
#include "repair.h"

enum {
    GROUP = 32,    /* items that are worked on together */
    FETCHED = 512, /* bytes of a value; the processor fetches the rest ahead */
};

struct group {
    struct weir_call *call;
    struct weir_item *items;
    uint32_t n;
    struct place places[GROUP];
    uint8_t order[GROUP]; /* by shard, then as they came */
};

static void group_locate(struct group *g, const struct shm *m, uint32_t i)
{
    const struct weir_item *item = &g->items[i];
    struct place *at = &g->places[i];
    struct hold h = {.layout = &m->map.layout};

    ops_locate(m, item->key, item->key_len, at);
    h.s = map_shard(&m->map, at->shard);
    __builtin_prefetch(shard_bucket(&h, at->key.hash));
}

/* Puts the items in the order of their shards. */
static void group_sort(struct group *g, uint32_t shards)
{
    uint8_t ends[LAYOUT_SHARDS_MAX] = {0}, sum = 0;

    for (uint32_t i = 0; i < g->n; i++)
        ends[g->places[i].shard]++;
    for (uint32_t s = 0; s < shards; s++)
        ends[s] = sum += ends[s];
    for (uint32_t i = g->n; i-- > 0;)
        g->order[--ends[g->places[i].shard]] = (uint8_t)i;
}

/* The two functions that load read the mapping without the lock. What they read
 * may be old or half written, and leads at worst to a line of the window that
 * is not needed. */
#define UNLOCKED __attribute__((no_sanitize("thread")))

/* Loads the first entry of an item's bucket. */
UNLOCKED static void group_load_entry(const struct hold *h,
                                      const struct place *at)
{
    uint32_t unit = *shard_bucket(h, at->key.hash) & CHAIN_NEXT;
    const char *e = unit_at(h->s, unit);

    __builtin_prefetch(e);
    __builtin_prefetch(e + 64);
    __builtin_prefetch(layout_chain(h->layout, h->s, unit));
}

/* Loads the next entry; or if the first has the hash, the value of a get, as
 * far as it lies in a row. */
UNLOCKED static void group_load_value(const struct hold *h,
                                      const struct place *at, bool value)
{
    uint32_t unit = *shard_bucket(h, at->key.hash) & CHAIN_NEXT;
    const struct entry *e = unit_at(h->s, unit);
    uint32_t size = value ? e->size : 0;
    const char *bytes;

    if (e->hash != at->key.hash) {
        bytes = unit_at(h->s, e->chain);
        __builtin_prefetch(bytes);
        __builtin_prefetch(bytes + 64);
        return;
    }
    bytes = unit_at(h->s, *layout_chain(h->layout, h->s, unit));
    for (uint32_t i = 0; i + sizeof e->bytes < size && i < FETCHED; i += 64)
        __builtin_prefetch(bytes + i);
}

static void group_load(const struct group *g, const struct shm *m)
{
    struct hold h = {.layout = &m->map.layout};

    for (uint32_t i = 0; i < g->n; i++) {
        h.s = map_shard(&m->map, g->places[i].shard);
        group_load_entry(&h, &g->places[i]);
    }
    for (uint32_t i = 0; i < g->n; i++) {
        h.s = map_shard(&m->map, g->places[i].shard);
        group_load_value(&h, &g->places[i], g->call->op == WEIR_GET);
    }
}

typedef int op_locked(const struct shm *m, const struct hold *h,
                      struct weir_call *call, struct place *at,
                      struct weir_item *item);

static op_locked *const OPS[WEIR_OPS] = {
    [WEIR_ADD] = change_add,       [WEIR_REPLACE] = change_replace,
    [WEIR_CAS] = change_cas,       [WEIR_INCR] = change_incr,
    [WEIR_APPEND] = change_append, [WEIR_GAT] = change_gat,
    [WEIR_TAKE] = change_take,     [WEIR_GET] = ops_get,
    [WEIR_SET] = ops_set,          [WEIR_EXISTS] = ops_exists,
    [WEIR_STAT] = ops_stat,        [WEIR_DELETE] = ops_delete,
    [WEIR_TOUCH] = ops_touch,
};

/* Does one item; repairs the shard and tries once more when it is damaged. */
static void group_do(struct group *g, struct shm *m, struct hold *h, uint32_t i)
{
    struct weir_item *item = &g->items[i];
    int rc = OPS[g->call->op](m, h, g->call, &g->places[i], item);

    if (rc == -EUCLEAN && !shm_broken(m)) {
        repair_shard(h);
        h->now_ms = shard_now_ms();
        rc = OPS[g->call->op](m, h, g->call, &g->places[i], item);
    }
    if (shm_broken(m))
        rc = -ESTALE;
    if (rc < 0)
        shm_refuse(g->call, item, rc);
}

/* Does those from k on that are of one shard. Returns where the next one's
 * begin. */
static uint32_t group_shard(struct group *g, struct shm *m, uint32_t k)
{
    uint32_t shard = g->places[g->order[k]].shard, end = k;
    struct hold h;
    int rc = shm_hold(m, shard, &h);

    while (end < g->n && g->places[g->order[end]].shard == shard)
        end++;
    if (rc < 0) {
        for (; k < end; k++)
            shm_refuse(g->call, &g->items[g->order[k]], rc);
        return end;
    }
    for (; k < end; k++) {
        if (g->items[g->order[k]].status == WEIR_PENDING)
            group_do(g, m, &h, g->order[k]);
    }
    shm_release(m, &h);
    return end;
}

static void group_run(struct shm *m, struct weir_call *call,
                      struct weir_item *items, uint32_t n)
{
    struct group g; /* places are filled as needed: zeroing them takes time */

    g.call = call;
    g.items = items;
    g.n = n;
    for (uint32_t i = 0; i < n; i++)
        group_locate(&g, m, i);
    group_sort(&g, m->map.layout.shards);
    if (n > 1)
        group_load(&g, m);
    for (uint32_t k = 0; k < n;)
        k = group_shard(&g, m, k);
}

int shm_run(void *session, struct weir_call *call)
{
    struct shm *m = session;

    if (m->dry) {
        weir_call_fail(call, NULL, WEIR_UNAVAILABLE,
                       "was opened to be checked only");
        return 0;
    }
    for (uint32_t i = 0; i < call->n && call->op == WEIR_SCAN; i++)
        shm_scan(m, call, &call->items[i]);
    for (uint32_t i = 0; i < call->n && call->op != WEIR_SCAN; i += GROUP) {
        uint32_t left = call->n - i;

        group_run(m, call, &call->items[i], left < GROUP ? left : GROUP);
    }
    return 0;
}
