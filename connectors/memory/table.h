/* table.h -- the hash table of a shard.
 *
 * Linear hashing (W. Litwin, "Linear hashing: a new tool for file and table
 * addressing", VLDB 1980): the table grows and shrinks by one bucket at a time,
 * so no operation ever pays for moving all entries. The bucket array is address
 * space reserved once, whose pages come and go with the entries.
 *
 * Entries have a fixed order that no growth changes: by the bits of their hash,
 * lowest first (O. Shalev, N. Shavit, "Split-ordered lists", JACM 2006). A
 * bucket is an interval of that order, splitting it cuts the interval in two;
 * so a position in the order is a cursor that stays good for ever. */
#ifndef MEMORY_TABLE_H
#define MEMORY_TABLE_H

#include <stdint.h>

#include "entry.h"

/* Positions are 0 .. TABLE_END - 1. */
#define TABLE_END (UINT64_C(1) << 32)

struct table {
    struct entry **buckets;
    uint32_t mask; /* of a hash, once all buckets below it are split */
    uint32_t n;    /* buckets in use: (mask + 1) / 2 < n <= mask + 1 */
    uint32_t max;  /* buckets there is address space for */
    uint64_t items;
};

/* table_init reserves address space for that many entries. -ENOMEM. */
int table_init(struct table *t, uint64_t max_items);

/* table_free gives the table back; it must be empty. */
void table_free(struct table *t);

/* table_find returns the entry of a key, or NULL. */
struct entry *table_find(const struct table *t, uint32_t hash, const char *key,
                         uint32_t key_len);

/* table_insert adds an entry whose key is not there. */
void table_insert(struct table *t, struct entry *e);

/* table_replace puts an entry in the place of one with the same key. */
void table_replace(struct table *t, struct entry *old, struct entry *e);

/* table_remove takes an entry out. */
void table_remove(struct table *t, struct entry *e);

/* table_at returns the first entry at or after a position within the bucket
 * that holds it, or NULL, and where the next bucket begins. Follow chain for
 * the rest of the bucket. */
struct entry *table_at(const struct table *t, uint64_t position,
                       uint64_t *next);

/* table_position returns where in the order an entry stands. */
uint64_t table_position(const struct entry *e);

/* table_bytes returns the memory of the bucket array. */
static inline uint64_t table_bytes(const struct table *t)
{
    return (uint64_t)t->n * sizeof *t->buckets;
}

enum { TABLE_MIN = 64 }; /* buckets of an empty table */

/* What follows needs no lock: it guesses, from a size that may change at any
 * time, where a table_find of this hash will look, and has that line fetched.
 * At worst another line is fetched in vain. */
static inline struct entry **table_guess(const struct table *t, uint32_t hash)
{
    uint32_t n = __atomic_load_n(&t->n, __ATOMIC_RELAXED);
    uint32_t mask = __atomic_load_n(&t->mask, __ATOMIC_RELAXED);
    uint32_t at = hash & mask;

    return &t->buckets[at < n ? at : at & mask >> 1];
}

/* table_prefetch fetches the bucket. */
static inline void table_prefetch(const struct table *t, uint32_t hash)
{
    __builtin_prefetch(table_guess(t, hash));
}

/* table_prefetch_entry fetches the first entry of the bucket. */
static inline void table_prefetch_entry(const struct table *t, uint32_t hash)
{
    struct entry *e = __atomic_load_n(table_guess(t, hash), __ATOMIC_RELAXED);

    __builtin_prefetch(e);
    __builtin_prefetch((const char *)e + 64);
}

#endif
