/* eviction.h -- which entry goes when a shard is full.
 *
 * A policy is a table of five functions over what a shard keeps for it; each
 * is called under the shard's lock and takes constant time. A policy that finds
 * no victim within EVICTION_LOOKS entries takes the one it is at: the lock is
 * not held for a walk through a cache of hot entries. */
#ifndef MEMORY_EVICTION_H
#define MEMORY_EVICTION_H

#include "ghost.h"
#include "queue.h"

enum { EVICTION_LOOKS = 128 };

struct eviction {
    struct queue small; /* s3fifo: entries on probation */
    struct queue main;  /* all others */
    struct entry *hand; /* sieve: the next to look at; NULL = the oldest */
    struct ghost ghost; /* s3fifo: what was dropped on probation */
};

struct eviction_policy {
    const char *name;

    /* insert puts in an entry whose key was not there. */
    void (*insert)(struct eviction *ev, struct entry *e);

    /* hit notes that an entry was read. */
    void (*hit)(struct eviction *ev, struct entry *e);

    /* replace puts in an entry for one with the same key; counts as a hit. */
    void (*replace)(struct eviction *ev, struct entry *old, struct entry *e);

    /* remove takes an entry out that was deleted or has expired. */
    void (*remove)(struct eviction *ev, struct entry *e);

    /* victim takes out the entry to evict and returns it; NULL: all is empty.
     */
    struct entry *(*victim)(struct eviction *ev);
};

extern const struct eviction_policy eviction_s3fifo;
extern const struct eviction_policy eviction_lru;
extern const struct eviction_policy eviction_sieve;

/* eviction_bytes returns what the entries in the queues take. */
static inline uint64_t eviction_bytes(const struct eviction *ev)
{
    return ev->small.bytes + ev->main.bytes;
}

#endif
