/* layout.h -- where the parts of a mapping are. That follows from its capacity,
 * its number of shards and whether it may have huge pages.
 *
 * The kernel can map a huge page only where the offset in the file and the
 * address are both multiples of its size. A shard begins at such an address
 * always. With huge pages it also begins at such an offset and is a multiple as
 * long. The control part then ends in a hole of the file, which takes no
 * memory. */
#ifndef SHM_LAYOUT_H
#define SHM_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "link.h"

struct cell;
struct lease;
struct shard;

enum {
    LAYOUT_CONTROL = 8192,      /* the header, and the seats from SEATS_AT on */
    LAYOUT_SHARD_LEAST = 65536, /* bytes */
    LAYOUT_SHARDS_MAX = 256,
    LAYOUT_HUGE = 2 << 20, /* bytes of a huge page */
    LAYOUT_HEAD = 512,     /* bytes for struct shard */
    LAYOUT_PIN = 20,       /* for struct pin */
};

struct layout {
    uint64_t capacity;  /* bytes of memory */
    uint64_t file;      /* bytes of the file; with a hole they are more */
    bool huge;          /* made for huge pages */
    bool past;          /* large values are stored past the caches (sum.h) */
    uint32_t shards;    /* a power of two */
    uint32_t segment;   /* bytes of a shard */
    uint32_t shards_at; /* where the first one begins in the file */

    /* Offsets in a shard. */
    uint32_t buckets_at;
    uint32_t ghosts_at;
    uint32_t pins_at;
    uint32_t cells_at;
    uint32_t leases_at;
    uint32_t chains_at;

    uint32_t bucket_mask;
    uint32_t cell_mask; /* of the cells, and of as many leases */
    uint32_t ghost_lines;
    uint32_t pins;
    uint32_t first, end; /* the units that entries are made of */
};

/* layout_shards returns the number of shards that a capacity has by itself. */
uint32_t layout_shards(uint64_t capacity);

/* layout_of fills in the layout of a capacity, which has at least
 * layout_least(shards, huge) bytes and at most layout_most(shards). */
void layout_of(struct layout *l, uint64_t capacity, uint32_t shards, bool huge);

uint64_t layout_least(uint32_t shards, bool huge);
uint64_t layout_most(uint32_t shards);

static inline uint32_t *layout_buckets(const struct layout *l,
                                       const struct shard *s)
{
    return (uint32_t *)(window_of(s) + l->buckets_at);
}

static inline struct cell *layout_cells(const struct layout *l,
                                        const struct shard *s)
{
    return (struct cell *)(window_of(s) + l->cells_at);
}

static inline struct lease *layout_leases(const struct layout *l,
                                          const struct shard *s)
{
    return (struct lease *)(window_of(s) + l->leases_at);
}

/* layout_chain returns the word of a unit in the table of chains. */
static inline uint32_t *layout_chain(const struct layout *l,
                                     const struct shard *s, uint32_t unit)
{
    return (uint32_t *)(window_of(s) + l->chains_at) + unit;
}

/* layout_has says whether entries are made of a unit of that number. */
static inline int layout_has(const struct layout *l, uint32_t unit)
{
    return unit >= l->first && unit < l->end;
}

#endif
