/* shard.h -- one part of a memory store: a lock and what it guards.
 *
 * A key belongs to one shard by its hash; shards share nothing. All functions
 * but the first three need the lock. None frees an entry: what leaves a shard
 * goes on a list of the dead, for the caller to free without the lock. Its hits
 * then say why it left: an enum weir_evicted_why, 0 for deleted. */
#ifndef MEMORY_SHARD_H
#define MEMORY_SHARD_H

#include "eviction.h"
#include "lock.h"
#include "table.h"

struct shard_counters {
    uint64_t evictions;
    uint64_t expired;
    uint64_t rejected;
    uint64_t hits_small; /* s3fifo: of entries in the small queue */
    uint64_t hits_main;
};

struct shard_config {
    uint64_t capacity;  /* bytes */
    uint64_t max_items; /* UINT64_MAX = no limit */
    const struct eviction_policy *policy;
    bool exact; /* the policy follows its paper to the letter */
};

struct shard {
    _Alignas(64) struct lock lock;
    struct heap *heap; /* of its entries; NULL: they are blocks of malloc */
    struct table table;
    struct eviction eviction;
    struct shard_config config;
    uint64_t expiring; /* entries that have a time to live */
    uint64_t sweep;    /* the position where the search for expired ones is */
    uint64_t apart;    /* entries with a value or in a block of malloc: those
                          that are not freed with the pool */
    uint32_t removed;  /* entries since the last tidy */
    struct shard_counters counters;
};

/* The least capacity of a shard: what an empty one takes, and some small values
 * beside it. A smaller one could reject everything. */
enum { SHARD_LEAST = 4096 };

/* shard_init makes an empty shard; h may be NULL. -ENOMEM. */
int shard_init(struct shard *s, const struct shard_config *config,
               struct heap *h);

/* shard_pool returns the pool of its heap, or NULL. */
static inline struct pool *shard_pool(const struct shard *s)
{
    return s->heap != NULL ? s->heap->pool : NULL;
}

/* shard_free frees the shard's entries and its table. */
void shard_free(struct shard *s);

/* shard_fits says whether an entry of that many bytes fits an empty shard. */
bool shard_fits(const struct shard *s, uint64_t bytes);

/* shard_time returns the time for shard_find: 0 while nothing in the shard
 * expires, since a clock costs as much as the rest of a get. */
uint64_t shard_time(const struct shard *s);

/* shard_find returns the entry of a key that has not expired now, or NULL. */
struct entry *shard_find(struct shard *s, const struct table_key *key,
                         uint64_t now_ms, struct entry **dead);

/* shard_hit counts a read of an entry. */
void shard_hit(struct shard *s, struct entry *e);

/* shard_put puts an entry that fits in, in place of the one that had its key if
 * there is one, and evicts others until it has room. */
void shard_put(struct shard *s, struct entry *e, struct entry **dead);

/* shard_drop takes an entry out. */
void shard_drop(struct shard *s, struct entry *e, struct entry **dead);

/* shard_expire sets when an entry expires; 0 = never. The entry must be timed,
 * or expires_ms 0. */
void shard_expire(struct shard *s, struct entry *e, uint64_t expires_ms);

/* shard_bytes returns the memory of the entries and of what is kept for them.
 */
uint64_t shard_bytes(const struct shard *s);

/* shard_now_ms is the clock of expiry. */
uint64_t shard_now_ms(void);

#endif
