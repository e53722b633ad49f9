/* entry.h -- a key and its value as the shm connector keeps them; in place of
 * memory's (see link.h).
 *
 * An entry is a chain of units. The first one has a head of 48 bytes, then the
 * key begins, and the value follows the key. Which unit is the next one stands
 * in a table beside the units (chain.h). The head says all that is needed to
 * find an entry again when nothing but the units can be trusted, and has a
 * checksum of that. Every field belongs to the lock of the shard. */
#ifndef ENTRY_H
#define ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connector.h"
#include "link.h"

enum { ENTRY_HASH_BITS = 30 };

struct entry {
    uint32_t chain; /* the next in its bucket */
    uint32_t newer; /* in its eviction queue */
    uint32_t older;
    uint32_t hash : ENTRY_HASH_BITS;
    uint32_t hits : 2; /* as the eviction policy counts them */
    uint32_t key_len : 17;
    uint32_t is_main : 1; /* s3fifo: in the main queue, not the small one */
    uint32_t suspect : 1; /* there when its shard was repaired: the value is
                             checked before it is answered */
    uint32_t size;        /* of the value */
    uint64_t expires_ms;  /* of CLOCK_MONOTONIC; 0 = never */
    uint64_t value_sum;
    uint32_t head_sum; /* of hash, lengths, expires_ms, value_sum and the key */
    uint32_t reserved;
    char bytes[80]; /* of the key and the value */
};

_Static_assert(sizeof(struct entry) == UNIT, "an entry's head fills a unit");

enum { ENTRY_HEAD = offsetof(struct entry, bytes) };

static inline struct entry *entry_chain(const struct entry *e)
{
    return link_at(e, e->chain);
}

static inline struct entry *entry_newer(const struct entry *e)
{
    return link_at(e, e->newer);
}

static inline struct entry *entry_older(const struct entry *e)
{
    return link_at(e, e->older);
}

static inline uint32_t entry_hash(const struct entry *e)
{
    return e->hash;
}

/* entry_units_of returns the units that an entry of these lengths takes. */
static inline uint64_t entry_units_of(uint64_t key_len, uint64_t size)
{
    return (ENTRY_HEAD + key_len + size + UNIT - 1) >> UNIT_SHIFT;
}

static inline uint64_t entry_units(const struct entry *e)
{
    return entry_units_of(e->key_len, e->size);
}

/* entry_charge returns the bytes of its units. */
static inline uint64_t entry_charge(const struct entry *e)
{
    return entry_units(e) << UNIT_SHIFT;
}

#endif
