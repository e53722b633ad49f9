/* shard.h -- one part of a mapping: a lock and what it guards.
 *
 * A shard lies at the start of its window and has, in this order: struct shard,
 * the buckets of its hash table, the lines of its ghosts, the table of pins,
 * the table of chains, and the units (chain.h). Where each of them begins is
 * computed from the capacity (layout.h), and never read from the mapping.
 *
 * What a crash leaves: whoever changes more than the two bits of `hits` sets
 * `dirty` before, and clears it when all is consistent again. A shard that is
 * dirty when its lock is acquired belonged to a process that died, and is
 * repaired (repair.h). An entry is live when its bit in the table of chains
 * is set. That is the last thing that a set does, and the first that a delete
 * undoes: so no reader ever sees a value that was written in part.
 *
 * What an altered mapping leads to: every number that comes from the mapping is
 * checked before it is used, or is a link, which stays in the window whatever
 * it is. What does not fit ends an operation with -EUCLEAN. The caller repairs
 * the shard then and tries once more. */
#ifndef SHM_SHARD_H
#define SHM_SHARD_H

#include "chain.h"

/* Entries of a bucket, at most: there are four on average in the worst case. */
enum { SHARD_STEPS = 4096 };

/* A key, and its hash of ENTRY_HASH_BITS bits. */
struct shard_key {
    const char *bytes;
    uint32_t len;
    uint32_t hash;
};

struct shard_value {
    const char *bytes;
    uint32_t size;
    uint64_t expires_ms;
};

/* shard_format makes an empty shard of zeroed memory. shard_clear makes one
 * without entries and without free units, of any memory. It keeps the lock, the
 * counters and what is in the units. */
void shard_format(const struct layout *l, struct shard *s);
void shard_clear(const struct layout *l, struct shard *s);

/* shard_sum returns the checksum of a value. */
uint64_t shard_sum(const char *bytes, uint64_t size);

/* shard_head_sum computes the checksum of a head, and of the key that follows
 * it. -EUCLEAN. */
int shard_head_sum(const struct hold *h, const struct entry *e, uint32_t *sum);

/* shard_find sets *e to the entry of a key that has not expired, or to NULL.
 * -EUCLEAN. */
int shard_find(const struct hold *h, const struct shard_key *key,
               struct entry **e);

/* shard_hit counts a read of an entry. */
void shard_hit(const struct hold *h, struct entry *e);

/* shard_fits says whether an entry of these lengths fits an empty shard. */
bool shard_fits(const struct layout *l, uint64_t key_len, uint64_t size);

/* shard_put stores a value that fits under a key, in place of the one that it
 * had, and evicts others until it has room. -EUCLEAN; -ENOSPC: too much of the
 * shard is pinned. */
int shard_put(const struct hold *h, const struct shard_key *key,
              const struct shard_value *value);

/* shard_value_at returns where the value of an entry begins. -EUCLEAN. */
int shard_value_at(const struct hold *h, const struct entry *e,
                   struct chain_at *at);

/* shard_drop takes an entry out. -EUCLEAN. */
int shard_drop(const struct hold *h, struct entry *e);

/* shard_expire sets when an entry expires; 0 = never. -EUCLEAN. */
int shard_expire(const struct hold *h, struct entry *e, uint64_t expires_ms);

/* shard_adopt puts a live entry into the table and into its queue, when a shard
 * is repaired. */
void shard_adopt(const struct hold *h, struct entry *e);

/* shard_now_ms is the clock of expiry. */
uint64_t shard_now_ms(void);

static inline uint32_t *shard_bucket(const struct hold *h, uint32_t hash)
{
    return layout_buckets(h->layout, h->s) + (hash & h->layout->bucket_mask);
}

#endif
