/* state.h -- what the lock of a shard guards, and what an operation on a shard
 * works with. */
#ifndef SHM_STATE_H
#define SHM_STATE_H

#include "layout.h"
#include "lock.h"

#include "entry.h"

#include "exact.h"

#include "../memory/eviction.h"

struct shard_counters {
    uint64_t evictions;
    uint64_t expired;
    uint64_t rejected;
    uint64_t hits_small; /* s3fifo: of entries in the small queue */
    uint64_t hits_main;
    uint64_t repairs;
    uint64_t lost;    /* entries that a repair could not keep */
    uint64_t corrupt; /* values whose checksum was wrong */
};

struct shard {
    _Alignas(64) struct lock lock;
    uint32_t dirty;
    uint32_t free_head;  /* the first of a chain of free units */
    uint32_t fresh;      /* no unit from here on was ever used */
    uint32_t free_units; /* of both kinds */
    uint32_t sweep;      /* the bucket where the search for expired ones is */
    uint64_t items;
    uint64_t expiring; /* entries that have a time to live */
    struct eviction eviction;
    struct shard_counters counters;
};

/* What an operation on a shard works with. */
struct hold {
    const struct layout *layout;
    const struct eviction_policy *policy;
    struct shard *s;
    uint64_t now_ms; /* 0: nothing in the shard expires */
};

/* A test that kills processes at named points defines it; else it is nothing.
 */
#ifndef SHM_POINT
#define SHM_POINT(name) ((void)0)
#endif

/* shard_begin marks the shard as inconsistent, shard_end as consistent. What a
 * process does between the two is repaired when it dies there: so the compiler
 * must not move anything across. */
static inline void shard_begin(const struct hold *h)
{
    __atomic_store_n(&h->s->dirty, 1, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void shard_end(const struct hold *h)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&h->s->dirty, 0, __ATOMIC_RELEASE);
}

#endif
