/* counting.c -- the index forgets as many bytes as it counted, whatever the
 * size of a file. */

#define XXH_INLINE_ALL
#include "../../connectors/fs/index.c"
#include "../../connectors/fs/name.c"

#include "../check.h"

static const uint64_t SIZES[] = {
    0, 1, 4096, 4097, 1ull << 31, 1ull << 44, (1ull << 44) + 1, 1ull << 62,
};

static uint64_t counted(struct fs_index *ix)
{
    struct fs_index_stats stats;

    fs_index_stats(ix, &stats);
    return stats.bytes;
}

/* Found, overwritten by a small one and forgotten; the other way round. */
static void evens_out(uint64_t size)
{
    struct fs_index *ix = fs_index_new(1 << 20);
    uint64_t bytes = fs_index_footprint(size);
    struct fs_name name;

    fs_name_of_key(&name, 2, "key", 3);
    CHECK(fs_index_found(ix, &name, bytes, 1) == 0);
    CHECK(counted(ix) == bytes && bytes >= size);
    fs_index_reserve(ix, 4096);
    CHECK(fs_index_put(ix, &name, 4096) == 0);
    CHECK(counted(ix) == 4096);
    fs_index_reserve(ix, bytes);
    CHECK(fs_index_put(ix, &name, bytes) == 0);
    CHECK(counted(ix) == bytes);
    fs_index_remove(ix, &name);
    CHECK(counted(ix) == 0);
    fs_index_free(ix);
}

int main(void)
{
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++)
        evens_out(SIZES[i]);
    return 0;
}
