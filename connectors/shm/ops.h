/* ops.h -- the operations on one item, under the lock of its shard. */
#ifndef SHM_OPS_H
#define SHM_OPS_H

#include "store.h"

/* An item on its way. */
struct place {
    uint32_t shard;
    uint64_t hash; /* whole */
    struct shard_key key;
};

/* ops_locate says where a key belongs. */
static inline void ops_locate(const struct shm *m, const char *key,
                              uint32_t key_len, struct place *at)
{
    at->hash = weir_hash(key, key_len, m->map.seed);
    at->shard = at->hash >> 32 & (m->map.layout.shards - 1);
    at->key.bytes = key;
    at->key.len = key_len;
    at->key.hash = at->hash & ((1u << ENTRY_HASH_BITS) - 1);
}

/* Each does its op to one item and answers it. -EUCLEAN: the shard is damaged,
 * and the item as it was. */
int ops_get(const struct shm *m, const struct hold *h, struct weir_call *call,
            struct place *at, struct weir_item *item);
int ops_set(const struct shm *m, const struct hold *h, struct weir_call *call,
            struct place *at, struct weir_item *item);
int ops_exists(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at,
               struct weir_item *item);
int ops_stat(const struct shm *m, const struct hold *h, struct weir_call *call,
             struct place *at, struct weir_item *item);
int ops_delete(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at,
               struct weir_item *item);
int ops_touch(const struct shm *m, const struct hold *h, struct weir_call *call,
              struct place *at, struct weir_item *item);

/* ops_read copies the value of an entry, of that size. If it has a wrong
 * checksum the item is answered. -EUCLEAN. */
int ops_read(const struct shm *m, const struct hold *h, struct weir_call *call,
             struct weir_item *item, struct entry *e, char *to, uint64_t size);

/* The value that an item sends, and whether it lies in memory of the caller. */
const char *ops_bytes(const struct weir_item *item);
uint64_t ops_size(const struct weir_item *item);
bool ops_is_lent(const struct weir_item *item);

/* ops_expires returns when a value expires that is set now; 0 = never. */
uint64_t ops_expires(uint64_t ttl_ms);

#endif
