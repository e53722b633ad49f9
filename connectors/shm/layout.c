/* layout.c -- see layout.h. */
#include "layout.h"

#include "cell.h"

#include "../memory/ghost.h"

enum {
    UNITS_PER_BUCKET = 2, /* at most; a bucket is as many bytes */
    UNITS_PER_GHOST = 2,  /* keys that are remembered */
    BYTES_PER_PIN = 65536,
    PINS_LEAST = 16,
    PINS_MOST = 1024,
    UNITS_PER_CELL = 128, /* at most; two in three hundred bytes are theirs */
    PAGE = 4096,
};

/* A shard of so many bytes is repaired in some 15 ms when it is full of the
 * smallest entries; a mapping that is not small has four shards, so that
 * processes seldom wait for each other. */
static const uint64_t SHARD_MOST = UINT64_C(64) << 20;
static const uint64_t SHARD_SPLIT = UINT64_C(8) << 20;

/* The caches are taken not to hold a mapping of that size. */
static const uint64_t LAYOUT_PAST = UINT64_C(64) << 20;

uint32_t layout_shards(uint64_t capacity)
{
    uint32_t n = 1;

    while (n < 4 && capacity / (n * 2) >= SHARD_SPLIT)
        n *= 2;
    while (n < LAYOUT_SHARDS_MAX && capacity / n > SHARD_MOST)
        n *= 2;
    return n;
}

uint64_t layout_least(uint32_t shards, bool huge)
{
    if (huge)
        return (uint64_t)shards * LAYOUT_HUGE;
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

/* Divides the file. Whole huge pages are left for the shards if the control
 * part does not count. */
static void layout_file(struct layout *l, uint64_t capacity)
{
    uint64_t share = (capacity - LAYOUT_CONTROL) / l->shards;

    if (!l->huge) {
        l->segment = (uint32_t)(share / PAGE * PAGE);
        l->shards_at = LAYOUT_CONTROL;
        l->capacity = l->file = capacity;
        return;
    }
    l->segment = (uint32_t)(capacity / l->shards / LAYOUT_HUGE * LAYOUT_HUGE);
    l->shards_at = LAYOUT_HUGE;
    l->capacity = LAYOUT_CONTROL + (uint64_t)l->shards * l->segment;
    l->file = LAYOUT_HUGE + (uint64_t)l->shards * l->segment;
}

void layout_of(struct layout *l, uint64_t capacity, uint32_t shards, bool huge)
{
    uint32_t buckets = 16, cells = 16;

    *l = (struct layout){
        .shards = shards, .huge = huge, .past = capacity >= LAYOUT_PAST};
    layout_file(l, capacity);
    l->end = l->segment >> UNIT_SHIFT;
    while (buckets * 2 <= l->end / UNITS_PER_BUCKET)
        buckets *= 2;
    while (cells * 2 <= l->end / UNITS_PER_CELL)
        cells *= 2;
    l->bucket_mask = buckets - 1;
    l->cell_mask = cells - 1;
    l->ghost_lines = l->end / UNITS_PER_GHOST / GHOST_LINE + 1;
    l->pins = l->segment / BYTES_PER_PIN;
    if (l->pins < PINS_LEAST)
        l->pins = PINS_LEAST;
    if (l->pins > PINS_MOST)
        l->pins = PINS_MOST;
    l->buckets_at = LAYOUT_HEAD;
    l->ghosts_at =
        align(l->buckets_at + buckets * (uint32_t)sizeof(uint32_t), UNIT);
    l->pins_at = align(l->ghosts_at +
                           l->ghost_lines * (uint32_t)sizeof(struct ghost_line),
                       UNIT);
    l->cells_at = align(l->pins_at + l->pins * LAYOUT_PIN, UNIT);
    l->leases_at = l->cells_at + cells * (uint32_t)sizeof(struct cell);
    l->chains_at =
        align(l->leases_at + cells * (uint32_t)sizeof(struct lease), UNIT);
    l->first =
        align(l->chains_at + l->end * (uint32_t)sizeof(uint32_t), UNIT) >>
        UNIT_SHIFT;
}
