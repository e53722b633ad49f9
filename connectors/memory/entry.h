/* entry.h -- a key and its value as the memory connector keeps them.
 *
 * One block of a heap or, without a heap or if it is too large for one, of
 * malloc: a head of 24 bytes, up to two words, the key, and a value
 * that is small. A larger value is a reference to one of the runtime's. Every
 * field belongs to the lock of the shard that the entry is in.
 *
 * The head has room for three links because a link takes 44 bits (link.h). */
#ifndef ENTRY_H
#define ENTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "connector.h"
#include "heap.h"
#include "link.h"

enum {
    ENTRY_HASH_BITS = 30,
    ENTRY_HASH_LOW = 20, /* of these, the bits that share a word with older */
};

/* The value's size, or one of the three that lie above the largest size. */
enum {
    ENTRY_EMBEDS = 256, /* up to here a second allocation would cost more than
                           copying the bytes */
    ENTRY_REFERS = 257, /* a word holds a reference to the value */
    ENTRY_SIZE_ONLY,    /* a word holds the value's size; there are no bytes */
    ENTRY_DATED,        /* the same, and its dates stand behind the key */
};

/* When an entry was set, and when it was last read, by weir_now. */
struct entry_dates {
    uint64_t set_ns;
    uint64_t read_ns; /* 0: never */
};

struct entry {
    uint64_t chain : LINK_BITS; /* the next in its bucket or dead list */
    uint64_t key_len : 17;
    uint64_t hits : 2;    /* as the eviction policy counts them */
    uint64_t is_main : 1; /* s3fifo: in the main queue, not the small one */

    uint64_t newer : LINK_BITS; /* in its eviction queue */
    uint64_t size : 9;          /* 0 to ENTRY_DATED */
    uint64_t timed : 1;         /* a word holds when it expires */
    uint64_t hash_high : ENTRY_HASH_BITS - ENTRY_HASH_LOW;

    uint64_t older : LINK_BITS;
    uint64_t hash_low : ENTRY_HASH_LOW;

    /* When it expires, if timed. The reference or the size, if size says so.
     * Then the key, then the bytes of an embedded value. */
    uint64_t words[];
};

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
    return (uint32_t)(e->hash_low | e->hash_high << ENTRY_HASH_LOW);
}

static inline bool entry_embedded(const struct entry *e)
{
    return e->size <= ENTRY_EMBEDS;
}

/* entry_bodiless says whether the value has a size and no bytes. */
static inline bool entry_bodiless(const struct entry *e)
{
    return e->size >= ENTRY_SIZE_ONLY;
}

/* entry_head returns the bytes before the key. */
static inline size_t entry_head(uint32_t size, bool timed)
{
    return sizeof(struct entry) +
           sizeof(uint64_t) * (timed + (size > ENTRY_EMBEDS));
}

static inline char *entry_key(const struct entry *e)
{
    return (char *)e + entry_head(e->size, e->timed);
}

/* entry_word returns the word with the reference or the size. */
static inline uint64_t *entry_word(struct entry *e)
{
    return &e->words[e->timed];
}

static inline struct weir_value *entry_value(const struct entry *e)
{
    return (struct weir_value *)(uintptr_t)e->words[e->timed];
}

/* entry_dates and entry_date read and write the dates of an ENTRY_DATED. They
 * are not aligned. */
static inline struct entry_dates entry_dates(const struct entry *e)
{
    struct entry_dates dates;

    memcpy(&dates, entry_key(e) + e->key_len, sizeof dates);
    return dates;
}

static inline void entry_date(struct entry *e, struct entry_dates dates)
{
    memcpy(entry_key(e) + e->key_len, &dates, sizeof dates);
}

/* entry_expires returns when it expires, in ms of CLOCK_MONOTONIC; 0 = never.
 */
static inline uint64_t entry_expires(const struct entry *e)
{
    return e->timed ? e->words[0] : 0;
}

/* entry_tail returns the bytes behind the key. */
static inline size_t entry_tail(uint32_t size)
{
    if (size <= ENTRY_EMBEDS)
        return size;
    return size == ENTRY_DATED ? sizeof(struct entry_dates) : 0;
}

/* entry_bytes returns the bytes that an entry was allocated with. */
static inline size_t entry_bytes(const struct entry *e)
{
    return entry_head(e->size, e->timed) + e->key_len + entry_tail(e->size);
}

/* A block for an entry, or NULL. */
static inline struct entry *entry_block(struct heap *h, size_t bytes)
{
    struct entry *e = h != NULL ? heap_take(h, bytes) : NULL;

    if (e == NULL)
        e = malloc(bytes);
    if (e == NULL || link_to(e) >> LINK_BITS == 0)
        return e;
    free(e); /* an address beyond 48 bits */
    return NULL;
}

/* entry_set_head writes the head of an entry that is in no shard yet.
 * entry_peek_hash reads a hash in any block in use of a heap, for tidy.c: of an
 * entry that another thread makes or frees it may be any number. It does not
 * read the first word, which has the links of dead lists. */
static inline void entry_set_head(struct entry *e, const struct entry *head)
{
    uint64_t words[sizeof *head / sizeof(uint64_t)];

    memcpy(words, head, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        __atomic_store_n((uint64_t *)e + i, words[i], __ATOMIC_RELAXED);
}

static inline uint32_t entry_peek_hash(const struct entry *e)
{
    uint64_t words[sizeof *e / sizeof(uint64_t)] = {0};
    struct entry head;

    for (size_t i = 1; i < sizeof words / sizeof *words; i++)
        words[i] = __atomic_load_n((const uint64_t *)e + i, __ATOMIC_RELAXED);
    memcpy(&head, words, sizeof words);
    return entry_hash(&head);
}

/* entry_new returns an entry whose words are 0, or NULL. size is that of the
 * value to embed, ENTRY_REFERS, ENTRY_SIZE_ONLY or ENTRY_DATED. Only a timed
 * entry can expire. Without a heap it is a block of malloc. */
static inline struct entry *entry_new(struct heap *h, const char *key,
                                      uint32_t key_len, uint32_t hash,
                                      uint32_t size, bool timed)
{
    size_t head = entry_head(size, timed);
    struct entry *e = entry_block(h, head + key_len + entry_tail(size));

    if (e == NULL)
        return NULL;
    entry_set_head(e, &(struct entry){
                          .key_len = key_len,
                          .size = size,
                          .timed = timed,
                          .hash_low = hash & ((1u << ENTRY_HASH_LOW) - 1),
                          .hash_high = hash >> ENTRY_HASH_LOW,
                      });
    memset(e->words, 0, head - sizeof *e);
    memcpy((char *)e + head, key, key_len);
    return e;
}

/* entry_free frees an entry and its reference to a value. The pool is that of
 * the heap that the entry may be from; NULL: there is none. */
static inline void entry_free(struct pool *p, struct entry *e)
{
    if (e->size == ENTRY_REFERS)
        weir_value_unref(entry_value(e));
    if (pool_has(p, e))
        heap_give(p, e);
    else
        free(e);
}

/* entry_free_all frees a list of dead entries. */
static inline void entry_free_all(struct pool *p, struct entry *dead)
{
    while (dead != NULL) {
        struct entry *next = entry_chain(dead);

        entry_free(p, dead);
        dead = next;
    }
}

static inline uint64_t entry_size(const struct entry *e)
{
    if (entry_embedded(e))
        return e->size;
    return e->size == ENTRY_REFERS ? entry_value(e)->size : e->words[e->timed];
}

/* entry_data returns the bytes of the value, or where those of an embedded one
 * go. Not for an entry without bytes. */
static inline char *entry_data(struct entry *e)
{
    return entry_embedded(e) ? entry_key(e) + e->key_len
                             : (char *)entry_value(e)->data;
}

/* entry_chunk returns the bytes that malloc takes for n bytes: a word for
 * itself, rounded up to 16. A block of a heap takes 16 bytes less for every
 * other n: that is for the struct run of its run, and for free blocks. */
static inline uint64_t entry_chunk(uint64_t n)
{
    return (n + sizeof(size_t) + 15) & ~UINT64_C(15);
}

/* entry_charge_of returns what an entry takes at most whose value has that many
 * bytes, by the rules of entry_new, of value.c and of malloc. */
static inline uint64_t entry_charge_of(uint64_t key_len, uint64_t size,
                                       bool timed)
{
    enum {
        PAGE = 4096,
        VALUE_HEAD = 40,
        VALUE_ALIGN = 63,
        PAGES_FROM = 131072
    };
    uint64_t value = VALUE_HEAD + (size >= PAGE ? VALUE_ALIGN : 0) + size;

    if (size <= ENTRY_EMBEDS)
        return entry_chunk(entry_head(0, timed) + key_len + size);
    value = value < PAGES_FROM ? entry_chunk(value)
                               : (value + PAGE - 1) / PAGE * PAGE;
    return entry_chunk(entry_head(ENTRY_REFERS, timed) + key_len) + value;
}

/* entry_charge returns the bytes of memory that an entry takes, as long as the
 * shard is the last to hold its value. The allocator's own head and rounding
 * count. For an entry without bytes it returns the charge of the same entry
 * with bytes. */
static inline uint64_t entry_charge(const struct entry *e)
{
    uint64_t charge;

    if (entry_bodiless(e))
        return entry_charge_of(e->key_len, e->words[e->timed], e->timed);
    charge = entry_chunk(entry_bytes(e));
    if (e->size == ENTRY_REFERS)
        charge += weir_value_footprint(entry_value(e));
    return charge;
}

#endif
