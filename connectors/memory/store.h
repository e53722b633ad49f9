/* store.h -- an opened memory store. */
#ifndef MEMORY_STORE_H
#define MEMORY_STORE_H

#include "shard.h"

struct memory {
    uint64_t seed;           /* of the keys' hash; secret, so that a client
                                cannot choose keys that collide */
    uint64_t default_ttl_ms; /* 0 = none */
    uint64_t capacity;
    uint32_t n_shards; /* a power of two */
    struct shard *shards;
};

/* Items of a batch that are processed together. */
enum { MEMORY_GROUP = 32 };

/* An item's key, and the shard it belongs to. */
struct place {
    struct shard *shard;
    struct shard_key key;
};

#endif
