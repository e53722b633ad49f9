/* layout.c -- see layout.h. */
#include "layout.h"

#include "../memory/ghost.h"

enum {
    UNITS_PER_BUCKET = 2, /* at most; a bucket is as many bytes */
    UNITS_PER_GHOST = 2,  /* keys that are remembered */
    PAGE = 4096,
};

/* Shards are as large as a repair in some 50 ms allows; a mapping that is not
 * small has four, so that processes seldom wait for each other. */
static const uint64_t SHARD_MOST = UINT64_C(64) << 20;
static const uint64_t SHARD_SPLIT = UINT64_C(8) << 20;

uint32_t layout_shards(uint64_t capacity)
{
    uint32_t n = 1;

    while (n < 4 && capacity / (n * 2) >= SHARD_SPLIT)
        n *= 2;
    while (n < LAYOUT_SHARDS_MAX && capacity / n > SHARD_MOST)
        n *= 2;
    return n;
}

uint64_t layout_least(uint32_t shards)
{
    return LAYOUT_CONTROL + (uint64_t)shards * LAYOUT_SHARD_LEAST;
}

uint64_t layout_most(uint32_t shards)
{
    return LAYOUT_CONTROL + shards * WINDOW_SIZE;
}

static uint32_t align(uint32_t at, uint32_t to)
{
    return (at + to - 1) & ~(to - 1);
}

void layout_of(struct layout *l, uint64_t capacity, uint32_t shards)
{
    uint64_t share = (capacity - LAYOUT_CONTROL) / shards;
    uint32_t buckets = 16;

    *l = (struct layout){.capacity = capacity, .shards = shards};
    l->segment = (uint32_t)(share / PAGE * PAGE);
    l->end = l->segment >> UNIT_SHIFT;
    while (buckets * 2 <= l->end / UNITS_PER_BUCKET)
        buckets *= 2;
    l->bucket_mask = buckets - 1;
    l->ghost_lines = l->end / UNITS_PER_GHOST / GHOST_LINE + 1;
    l->buckets_at = LAYOUT_HEAD;
    l->ghosts_at =
        align(l->buckets_at + buckets * (uint32_t)sizeof(uint32_t), UNIT);
    l->chains_at = align(l->ghosts_at + l->ghost_lines *
                                            (uint32_t)sizeof(struct ghost_line),
                         UNIT);
    l->first =
        align(l->chains_at + l->end * (uint32_t)sizeof(uint32_t), UNIT) >>
        UNIT_SHIFT;
}
