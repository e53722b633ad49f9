/* pool.h -- the memory of a store's entries: runs of 64 KiB.
 *
 * A run belongs to the heap of one shard (heap.h), which cuts it into blocks of
 * one size, or to no heap. The address space of all runs is reserved at once,
 * so that an address says which run it is in. Memory comes page by page, with
 * the first access. Any thread may call any function. */
#ifndef MEMORY_POOL_H
#define MEMORY_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ahead.h"
#include "lock.h"

enum {
    RUN_SHIFT = 16,
    RUN_BYTES = 1 << RUN_SHIFT,
    RUN_WORDS = 22, /* enough for blocks of HEAP_LEAST bytes */
    RUNS_PIECE = AHEAD_PIECE / RUN_BYTES,
    POOL_AHEAD = 2, /* pieces to have ready */
};

struct heap;

/* What is known of a run. It lies apart from the run, since the same part of
 * every run would share few lines of the processor's cache. */
struct run {
    struct heap *heap;        /* NULL: it is free */
    struct run *next, **prev; /* in a list of the heap; next in the pool, too */
    uint16_t count;           /* blocks */
    uint16_t used;            /* of these, in use */
    uint8_t units;            /* bytes of a block / HEAP_UNIT */
    uint8_t bin;              /* how full it is; HEAP_BINS: full */
    uint8_t hint;             /* the word of `taken` to look at first */
    bool stuck;               /* some of its blocks cannot be moved now */
    uint64_t taken[RUN_WORDS]; /* a bit for each block in use */
};

struct pool {
    char *reserved; /* what is mapped; base is aligned */
    char *base;
    struct run *runs;
    uint32_t n_pieces; /* of RUNS_PIECE runs, that there is address space for */
    struct maker maker;
    uint32_t most; /* pieces, beyond which the maker makes none */

    struct lock lock;           /* guards what follows */
    uint32_t pieces;            /* behind these, pieces were never used */
    uint32_t fresh, end;        /* runs of the last piece that are left */
    uint32_t ready[POOL_AHEAD]; /* pieces of huge pages, for later */
    uint32_t n_ready;
    struct run *idle; /* free ones that have memory */
    uint32_t n_idle;  /* in that list */
    struct run *bare; /* free ones without memory */
};

/* pool_new reserves address space. NULL: there is none. */
struct pool *pool_new(uint64_t bytes);

/* pool_ahead lets `a` make the memory of a large pool before it is used, as
 * long as the pool takes less than that many bytes. */
void pool_ahead(struct pool *p, struct ahead *a, uint64_t bytes);

/* pool_free gives all memory back. */
void pool_free(struct pool *p);

/* pool_take returns a run, or NULL when the address space is used up. Only its
 * field heap is set. */
struct run *pool_take(struct pool *p, struct heap *h);

/* pool_give gives a run back. The memory of a few stays, for the next ones. */
void pool_give(struct pool *p, struct run *run);

/* pool_has says whether an address lies in a pool; p may be NULL. */
static inline bool pool_has(const struct pool *p, const void *at)
{
    return p != NULL &&
           (uintptr_t)at - (uintptr_t)p->base < p->n_pieces * AHEAD_PIECE;
}

static inline struct run *pool_run(const struct pool *p, const void *at)
{
    return &p->runs[((uintptr_t)at - (uintptr_t)p->base) >> RUN_SHIFT];
}

static inline char *pool_bytes(const struct pool *p, const struct run *run)
{
    return p->base + ((uintptr_t)(run - p->runs) << RUN_SHIFT);
}

#endif
