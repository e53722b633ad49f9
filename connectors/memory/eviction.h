/* eviction.h -- which entry goes when a shard is full.
 *
 * A policy is a table of functions over what a shard keeps for it. The caller
 * holds the shard's lock. Each function takes constant time: a policy that
 * finds no victim among EVICTION_LOOKS entries takes the last of these, so that
 * no call walks through a cache of hot entries under the lock.
 *
 * With `exact` a policy follows its paper to the letter instead, for
 * simulations. Then sieve and s3fifo look at as many entries as it takes, at
 * worst at all, and s3fifo remembers whole keys (exact.h). */
#ifndef MEMORY_EVICTION_H
#define MEMORY_EVICTION_H

#include "exact.h"
#include "ghost.h"
#include "queue.h"

enum { EVICTION_LOOKS = 128 };

struct eviction {
    struct queue small; /* s3fifo: entries on probation */
    struct queue main;  /* all others */
    uint64_t hand;      /* sieve: link to the next to look at; 0 = the oldest */
    /* Not bool: in shm, memory that others may overwrite, they can hold any
     * number. */
    uint8_t exact;
    uint8_t by_items;   /* s3fifo: the small queue's share is of entries, not
                           bytes */
    struct ghost ghost; /* s3fifo: keys dropped on probation */
    struct exact keys;  /* s3fifo: the same, when exact */
};

struct eviction_policy {
    const char *name;

    /* init prepares what the policy needs for that many entries; -ENOMEM.
     * NULL: nothing. */
    int (*init)(struct eviction *ev, uint64_t max_items);

    /* insert adds an entry whose key was not there. */
    void (*insert)(struct eviction *ev, struct entry *e);

    /* hit notes that an entry was read. */
    void (*hit)(struct eviction *ev, struct entry *e);

    /* replace puts an entry in the place of one with the same key; counts as a
     * hit. */
    void (*replace)(struct eviction *ev, struct entry *old, struct entry *e);

    /* remove takes out an entry that was deleted or has expired. */
    void (*remove)(struct eviction *ev, struct entry *e);

    /* victim takes out the entry to evict and returns it; NULL: there is none.
     */
    struct entry *(*victim)(struct eviction *ev);

    /* close frees what init prepared; not the entries. NULL: nothing. */
    void (*close)(struct eviction *ev);
};

extern const struct eviction_policy eviction_s3fifo;
extern const struct eviction_policy eviction_lru;
extern const struct eviction_policy eviction_fifo;
extern const struct eviction_policy eviction_sieve;

/* eviction_move notes that an entry lies in `to` now, which is a copy of it. */
static inline void eviction_move(struct eviction *ev, const struct entry *e,
                                 struct entry *to)
{
    struct entry *newer = entry_newer(e), *older = entry_older(e);
    uint64_t from = link_to(e), link = link_to(to);
    struct queue *q = ev->small.newest == from || ev->small.oldest == from
                          ? &ev->small
                          : &ev->main;

    if (newer != NULL)
        newer->older = link;
    else
        q->newest = link;
    if (older != NULL)
        older->newer = link;
    else
        q->oldest = link;
    if (ev->hand == from)
        ev->hand = link;
}

/* eviction_items returns the number of entries in the queues. */
static inline uint64_t eviction_items(const struct eviction *ev)
{
    return ev->small.items + ev->main.items;
}

/* eviction_entry_bytes returns the memory of the entries in the queues. */
static inline uint64_t eviction_entry_bytes(const struct eviction *ev)
{
    return ev->small.bytes + ev->main.bytes;
}

/* eviction_bytes returns that, and the memory of the ghosts. Exact ones do not
 * count, as in the paper: a simulation compares caches of one size. */
static inline uint64_t eviction_bytes(const struct eviction *ev)
{
    return eviction_entry_bytes(ev) + ghost_bytes(&ev->ghost);
}

static inline bool eviction_exact(const struct eviction *ev)
{
    return exact_wanted(ev->exact);
}

/* eviction_looks returns how many entries a search for a victim may look at. */
static inline uint64_t eviction_looks(const struct eviction *ev)
{
    return eviction_exact(ev) ? UINT64_MAX : EVICTION_LOOKS;
}

#endif
