/* table.h -- the hash table of a shard.
 *
 * It grows and shrinks by one bucket at a time (linear.h). The bucket array is
 * address space reserved once, whose pages come and go with the entries.
 *
 * Entries have a fixed order that no growth changes: by the bits of their hash,
 * lowest first (O. Shalev, N. Shavit, "Split-ordered lists", JACM 2006). A
 * bucket is an interval of that order, and splitting it cuts the interval in
 * two. So a position in the order is a cursor that stays valid forever. */
#ifndef MEMORY_TABLE_H
#define MEMORY_TABLE_H

#include "ahead.h"
#include "entry.h"
#include "linear.h"

/* Positions are 0 .. TABLE_END - 1. */
#define TABLE_END (UINT64_C(1) << ENTRY_HASH_BITS)

enum {
    TABLE_MIN = 64, /* buckets of an empty table */
    TABLE_LOAD = 2, /* entries a bucket in a table that grows: 4 bytes each */
};

struct table {
    struct entry **buckets;
    struct linear size;
    uint32_t max; /* buckets there is address space for */
    uint64_t items;

    /* Pieces of buckets, counted from the first whole one on. */
    struct maker maker;
    _Atomic uint32_t wanted; /* the last one that the maker shall make */
    uint32_t made;           /* the maker's: the last one that it has made */
};

/* A key and its hash, of ENTRY_HASH_BITS bits. */
struct table_key {
    const char *bytes;
    uint32_t len;
    uint32_t hash;
};

/* table_init reserves address space for that many entries. -ENOMEM. */
int table_init(struct table *t, uint64_t max_items);

/* table_ahead lets `a` make the pages of a large table before they are used. */
void table_ahead(struct table *t, struct ahead *a);

/* table_free frees the table; not its entries (release.h). */
void table_free(struct table *t);

/* table_find returns the entry of a key, or NULL. */
struct entry *table_find(const struct table *t, const struct table_key *key);

/* table_insert adds an entry whose key is not there. */
void table_insert(struct table *t, struct entry *e);

/* table_replace puts an entry in the place of one with the same key. */
void table_replace(struct table *t, struct entry *old, struct entry *e);

/* table_holds says whether an entry of that hash lies at e. It does not read
 * the memory at e. */
bool table_holds(const struct table *t, const struct entry *e, uint32_t hash);

/* table_remove takes an entry out. */
void table_remove(struct table *t, struct entry *e);

/* table_at returns the first entry at or after a position within the bucket
 * that holds it, or NULL, and where the next bucket begins. Follow entry_chain
 * for the rest of the bucket. */
struct entry *table_at(const struct table *t, uint64_t position,
                       uint64_t *next);

/* table_position returns where in the order an entry stands. */
uint64_t table_position(const struct entry *e);

/* table_bytes returns the memory of the bucket array. */
static inline uint64_t table_bytes(const struct table *t)
{
    return (uint64_t)t->size.n * sizeof *t->buckets;
}

/* What follows loads into the processor's cache what a table_find of a hash
 * will read. A batch that does so for all its keys waits for memory once, and
 * not once a key. table_prefetch_next needs the lock. The others read a size
 * that another thread may change, and at worst load a line that is not needed.
 */

static inline struct entry **table_guess(const struct table *t, uint32_t hash)
{
    struct linear size = {__atomic_load_n(&t->size.n, __ATOMIC_RELAXED),
                          __atomic_load_n(&t->size.mask, __ATOMIC_RELAXED)};

    return &t->buckets[linear_bucket(size, hash)];
}

/* table_buckets returns the number of buckets. */
static inline uint32_t table_buckets(const struct table *t)
{
    return __atomic_load_n(&t->size.n, __ATOMIC_RELAXED);
}

static inline void table_prefetch_entry(const struct entry *e)
{
    __builtin_prefetch(e);
    __builtin_prefetch((const char *)e + sizeof *e - 1);
}

/* table_prefetch_bucket loads the bucket. */
static inline void table_prefetch_bucket(const struct table *t, uint32_t hash)
{
    __builtin_prefetch(table_guess(t, hash));
}

/* table_prefetch_first loads the head of the first entry of the bucket. */
static inline void table_prefetch_first(const struct table *t, uint32_t hash)
{
    table_prefetch_entry(
        __atomic_load_n(table_guess(t, hash), __ATOMIC_RELAXED));
}

/* table_prefetch_next looks at the entry with that many before it in its
 * bucket. The caller knows that those before have another hash. If this one has
 * the hash, the rest of it is loaded and *found is set to it. If not, *found is
 * set to NULL and the head of the next entry is loaded. False: there is nothing
 * more to load for the hash. */
bool table_prefetch_next(const struct table *t, uint32_t hash, uint32_t before,
                         struct entry **found);

#endif
