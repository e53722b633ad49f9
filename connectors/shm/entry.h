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
    uint32_t whole : 1;   /* its units are one run */
    uint32_t size;        /* of the value */
    uint64_t expires_ms;  /* of CLOCK_MONOTONIC; 0 = never */
    uint64_t value_sum;
    uint32_t head_sum; /* of hash, lengths, expires_ms, value_sum and the key */
    uint32_t pins;     /* the first pin (pins.h); 0 = none */
    char bytes[80];    /* of the key and the value */
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

/* A value of this size and more begins at a cache line, and may be read in
 * place (pins.h). The time of a get whose caller then reads every line of the
 * value, in ns, medians of one run. "memory" is the memory store, whose gets
 * copy nothing:
 *
 *              copied      in place    memory
 *     16 KiB    2,030       2,000       1,830 to 2,230
 *     32 KiB    4,190       2,360       2,460 to 3,280
 *     64 KiB   10,390       2,530       2,370 to 6,820
 *      1 MiB   86,400      32,200      32,800 to 52,100
 *
 * A copy of up to 16 KiB stays in the first cache, where it costs a reader
 * little, and keeps no room from others. */
enum { ENTRY_LARGE = 32768, ENTRY_LINE = 64 };

/* entry_gap returns the bytes between the key and the value. */
static inline uint32_t entry_gap(uint64_t key_len, uint64_t size)
{
    return size < ENTRY_LARGE
               ? 0
               : (uint32_t)(-(ENTRY_HEAD + key_len) % ENTRY_LINE);
}

/* entry_units_of returns the units that an entry of these lengths takes. */
static inline uint64_t entry_units_of(uint64_t key_len, uint64_t size)
{
    return (ENTRY_HEAD + key_len + entry_gap(key_len, size) + size + UNIT -
            1) >>
           UNIT_SHIFT;
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
