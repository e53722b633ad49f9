/* fast_path.c -- gets of a database of the host that need not reach it: the
 * host says that a value in an inline store is what it would answer, for every
 * key, until its next call. What the store does not have is left to the host.
 *
 * The host may be a tree of policies over a memory. It knows when a hit there
 * has no other effect than counts, and adds the counts itself. */
#include <errno.h>

#include "state.h"

int weir_server_fast_path(struct weir_server *s, uint32_t db,
                          struct weir_store *store,
                          struct weir_fast_path *counts)
{
    if (db >= s->limits.databases ||
        (store != NULL && (counts == NULL || !weir_store_inline(store))))
        return -EINVAL;
    s->databases[db].fast = store;
    s->databases[db].fast_counts = counts;
    return 0;
}

static uint64_t count_bytes(const struct weir_batch *batch)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < batch->n; i++) {
        if (batch->items[i].status == WEIR_OK)
            bytes += batch->items[i].size;
    }
    return bytes;
}

bool fast_path_answer(struct weir_server *s, struct request *r)
{
    struct database *db = &s->databases[r->client->pub.db];
    struct weir_fast_path *counts = db->fast_counts;
    uint64_t started, took;
    int hits;

    if (db->fast == NULL || r->batch->op != WEIR_GET)
        return false;
    started = weir_now();
    hits = weir_submit_hits(db->fast, r->batch);
    if (hits <= 0)
        return false;
    took = weir_now() - started;
    counts->batches++;
    counts->keys += (uint64_t)hits;
    counts->bytes += count_bytes(r->batch);
    counts->total_ns += took;
    if (took > counts->longest_ns)
        counts->longest_ns = took;
    s->stats.fast_hits += (uint64_t)hits;
    r->pub.hits = (uint32_t)hits;
    return r->pub.hits == r->batch->n;
}
