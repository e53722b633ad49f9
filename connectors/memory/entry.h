/* entry.h -- a key and its value as the memory connector keeps them.
 *
 * One allocation: this head, the key, and a value that is small. A larger value
 * is a reference to one of the runtime's. Every field but the key belongs to
 * the lock of the shard that the entry is in. */
#ifndef MEMORY_ENTRY_H
#define MEMORY_ENTRY_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "connector.h"

/* Up to here a second allocation would cost more than copying the bytes. */
enum { ENTRY_EMBEDS = 256 };

struct entry {
    struct entry *chain;         /* the next of its bucket, or of a dead list */
    struct entry *newer, *older; /* in its eviction queue */
    uint64_t expires_ms;         /* on CLOCK_MONOTONIC; 0 = never */
    union {
        struct weir_value *value;
        uint64_t size; /* of an embedded value */
    };
    uint32_t hash;
    uint32_t key_len : 17;
    uint32_t embedded : 1; /* the value lies behind the key */
    uint32_t hits : 2;     /* as the eviction policy counts them */
    uint32_t is_main : 1;  /* s3fifo: in the main queue, not in the small one */
    char bytes[];
};

/* entry_new returns an entry without a value, with room for `embed` bytes of
 * one, or NULL. */
static inline struct entry *entry_new(const char *key, uint32_t key_len,
                                      uint32_t hash, uint64_t embed)
{
    struct entry *e = malloc(sizeof *e + key_len + embed);

    if (e == NULL)
        return NULL;
    memset(e, 0, sizeof *e);
    e->hash = hash;
    e->key_len = key_len;
    memcpy(e->bytes, key, key_len);
    return e;
}

static inline void entry_free(struct entry *e)
{
    if (!e->embedded)
        weir_value_unref(e->value);
    free(e);
}

/* entry_free_all frees a list of the dead. */
static inline void entry_free_all(struct entry *dead)
{
    while (dead != NULL) {
        struct entry *next = dead->chain;

        entry_free(dead);
        dead = next;
    }
}

static inline uint64_t entry_size(const struct entry *e)
{
    return e->embedded ? e->size : e->value->size;
}

/* entry_data returns the bytes of the value; of an embedded one, where they go.
 */
static inline char *entry_data(struct entry *e)
{
    return e->embedded ? e->bytes + e->key_len : (char *)e->value->data;
}

/* entry_charge returns the bytes of memory an entry takes, as long as the shard
 * is the last to hold its value; the allocator's own head and rounding count.
 */
static inline uint64_t entry_charge(struct entry *e)
{
    uint64_t charge = malloc_usable_size(e) + sizeof(size_t);

    if (!e->embedded)
        charge += weir_value_footprint(e->value);
    return charge;
}

#endif
