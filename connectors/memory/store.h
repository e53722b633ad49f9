/* store.h -- an opened memory store, and a batch under way in it. */
#ifndef MEMORY_STORE_H
#define MEMORY_STORE_H

#include "evicted.h"
#include "shard.h"
#include "tidy.h"

struct memory {
    uint64_t seed;           /* of the keys' hash; secret, so that a client
                                cannot choose keys that collide */
    uint64_t default_ttl_ms; /* 0 = none */
    uint64_t capacity;
    bool bodies;       /* false: values have a size and no bytes */
    uint32_t n_shards; /* a power of two */
    struct shard *shards;
    struct pool *pool;  /* NULL: entries are blocks of malloc */
    struct heap *heaps; /* one a shard, in the pool */
    struct evicted evicted;
    struct ahead ahead;
};

enum {
    MEMORY_SHARDS_MAX = 256,
    MEMORY_GROUP = 32, /* items of a batch that are worked on together */
};

/* An item's key, the shard it belongs to, and the entry. */
struct place {
    struct shard *shard;
    struct table_key key;
    struct entry *e; /* of a set: the new one; NULL: the value has no room */
    struct weir_value *value; /* of a get: a reference, or NULL */
    uint64_t size;            /* of a get: of a value without bytes */
    bool size_only;
};

/* A walk over the items of a group, with the lock of one shard at a time. */
struct turn {
    struct weir_call *call;
    struct shard *shard; /* whose lock is held */
    uint64_t now_ms;     /* 0: nothing in the shard expires */
    struct entry *dead;  /* to be freed without the lock */
};

/* turn_pause releases the lock, until the next turn_pass. */
static inline void turn_pause(struct turn *t)
{
    tidy(t->shard);
    lock_release(&t->shard->lock);
    t->shard = NULL;
}

/* turn_pass locks the shard of a place, if another one is locked. */
static inline void turn_pass(struct turn *t, const struct place *at)
{
    if (t->shard == at->shard)
        return;
    if (t->shard != NULL)
        turn_pause(t);
    t->shard = at->shard;
    lock_acquire(&t->shard->lock);
    t->now_ms = shard_time(t->shard);
}

static inline void turn_end(struct turn *t, struct memory *m)
{
    if (t->shard != NULL)
        turn_pause(t);
    if (t->dead != NULL)
        evicted_bury(&m->evicted, t->dead);
}

#endif
