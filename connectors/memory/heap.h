/* heap.h -- the blocks of one shard's entries.
 *
 * Sizes are multiples of 16 bytes. Each size has runs of its own (pool.h), as
 * in J. Bonwick, "The slab allocator", USENIX Summer 1994, and with a bitmap a
 * run, as in jemalloc. A block has no head.
 *
 * A heap keeps runs by how full they are and takes a block from a fullest one
 * that has room, so that others become empty (E. Berger et al., "Hoard", ASPLOS
 * 2000). An empty run goes back to the pool, for any size. Where the blocks in
 * use still lie thinly, tidy.h moves them together.
 *
 * Any thread may call any function: a heap has a lock of its own, since entries
 * are made and freed without the lock of their shard. */
#ifndef MEMORY_HEAP_H
#define MEMORY_HEAP_H

#include "pool.h"

enum {
    HEAP_UNIT = 16,
    HEAP_LEAST = 48, /* bytes of the smallest block */
    HEAP_MOST = 1024,
    HEAP_SIZES = HEAP_MOST / HEAP_UNIT + 1,
    HEAP_BINS = 8,
};

struct heap {
    struct pool *pool;
    struct lock lock; /* guards what follows */
    uint64_t held;    /* bytes of its runs */
    uint64_t used;    /* of these, bytes of blocks in use */

    /* By size in units. In free, all but the blocks of `emptying` count. */
    uint32_t free[HEAP_SIZES];
    uint8_t bins[HEAP_SIZES]; /* a bit for each list that has runs */
    struct run *lists[HEAP_SIZES][HEAP_BINS];

    struct run *emptying; /* the run whose blocks are moved; in no list */
    uint32_t at;          /* the block of it to look at next */
};

/* heap_take returns a block, or NULL: bytes is more than HEAP_MOST, or the pool
 * has no run left. */
void *heap_take(struct heap *h, size_t bytes);

/* heap_give frees a block of any heap of the pool. */
void heap_give(struct pool *p, void *block);

/* heap_loose says whether so much of the memory is not in use that entries
 * should be moved: more than an eighth, and a mebibyte. */
bool heap_loose(struct heap *h);

/* The next two functions are for tidy.c. One thread at a time may call them. */

/* heap_next returns the next block in use of the run that shall become empty.
 * If there is no such run, it chooses one among the emptiest of a size whose
 * free blocks make up a run, so that there is room in others. NULL: there is
 * none, or that was the last block. */
void *heap_next(struct heap *h);

/* heap_take_other is heap_take, but never takes a new run. */
void *heap_take_other(struct heap *h, size_t bytes);

#endif
