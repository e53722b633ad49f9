/* state.h -- what the lock of a shard guards, and what an operation on a shard
 * works with. */
#ifndef SHM_STATE_H
#define SHM_STATE_H

#include "layout.h"
#include "lock.h"
#include "point.h"

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
    uint64_t lost;           /* entries that a repair could not keep */
    uint64_t corrupt;        /* values whose checksum was wrong */
    uint64_t copied;         /* large values that could not be read in place */
    uint64_t copies_dropped; /* sets whose ticket was not good any more */
    uint64_t writers_died;
    uint64_t leases;
    uint64_t leases_taken_over; /* from the dead, or late */
    uint64_t leases_refused;    /* for lack of room */
};

enum { STATE_LISTS = LINK_BITS };

struct shard {
    _Alignas(64) struct lock lock;
    uint32_t dirty;
    uint32_t free_units;
    uint32_t lists;             /* a bit for each of the next that has a run */
    uint32_t free[STATE_LISTS]; /* free units (room.h) */
    uint32_t sweep;        /* the bucket where the search for expired ones is */
    uint32_t pinned_units; /* of entries that are read in place (pins.h) */
    uint32_t kept_units;   /* of those, the units of entries taken out */
    uint32_t pins_next;    /* where the search for a free pin begins */
    uint32_t pins_sweeps;
    uint64_t items;
    uint64_t expiring; /* entries that have a time to live */
    uint64_t lease_tokens;
    struct eviction eviction;
    struct shard_counters counters;
};

/* What an operation on a shard works with. */
struct hold {
    const struct layout *layout;
    const struct eviction_policy *policy;
    struct shard *s;
    const struct seats *seats;
    uint64_t now_ms; /* 0: nothing in the shard expires */
};

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
