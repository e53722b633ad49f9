/* model.c -- finds the entries of a store that a replay models by rules. The
 * rest of such a store is lua/weir/replay/models/index.lua. LuaJIT cannot
 * compile a loop over a chain into the trace of a request. */
#include "weir.h"

uint32_t weir_model_find(const struct weir_model_entry *entries,
                         const uint32_t *buckets, uint32_t n_buckets,
                         uint64_t hash)
{
    uint32_t at = buckets[hash & (n_buckets - 1)];

    while (at != 0 && entries[at].hash != hash)
        at = entries[at].chain;
    return at;
}
