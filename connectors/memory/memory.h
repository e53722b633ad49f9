/* memory.h -- an opened memory store. */
#ifndef MEMORY_MEMORY_H
#define MEMORY_MEMORY_H

#include "shard.h"

struct memory {
    uint64_t seed;           /* of the keys' hash; no one outside knows it */
    uint64_t default_ttl_ms; /* 0 = none */
    uint64_t capacity;
    uint32_t n_shards; /* a power of two */
    struct shard *shards;
};

/* Items of a batch that are worked on together. */
enum { MEMORY_GROUP = 32 };

/* One item's key, and the shard it belongs to. */
struct place {
    struct shard *shard;
    struct shard_key key;
};

/* memory_get answers the gets of up to MEMORY_GROUP items; it uses the places
 * up. */
void memory_get(struct weir_call *call, struct place *places,
                struct weir_item *items, uint32_t n);

/* memory_run is the connector's run; the session is the store. */
int memory_run(void *session, struct weir_call *call);

/* memory_scan answers a scan's item with one page of keys. */
void memory_scan(struct memory *m, struct weir_call *call,
                 struct weir_item *item);

#endif
