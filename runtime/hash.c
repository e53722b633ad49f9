/* hash.c -- the hash that assigns keys to stores: XXH3. Its specification fixes
 * the results, so every process and every version of weir sends a key to the
 * same child. Lua computes in doubles and is too slow for it. */
#include "weir.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t weir_hash(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

uint32_t weir_rendezvous(const void *bytes, size_t n, const uint64_t *seeds,
                         uint32_t count)
{
    uint64_t best = 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t score = XXH3_64bits_withSeed(bytes, n, seeds[i]);

        if (i == 0 || score > best) {
            best = score;
            at = i;
        }
    }
    return at;
}
