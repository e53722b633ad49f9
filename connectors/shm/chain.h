/* chain.h -- units of memory, in chains.
 *
 * The table of chains has a word for each unit of a shard: the number of the
 * next unit of its chain, 0 at the end. The first unit of an entry has the bit
 * CHAIN_LIVE set, too. A value of any size is a chain, so that it finds room in
 * pieces: an entry wastes less than a unit, and a word for each unit. Units
 * that follow each other in memory are copied at once. Free units are in runs
 * (room.h). */
#ifndef SHM_CHAIN_H
#define SHM_CHAIN_H

#include "state.h"

enum { CHAIN_NEXT = LINK_MASK };

#define CHAIN_LIVE (UINT32_C(1) << 31)
#define CHAIN_FREE (UINT32_C(1) << 30)

static inline uint32_t chain_word(const struct hold *h, uint32_t unit)
{
    return __atomic_load_n(layout_chain(h->layout, h->s, unit),
                           __ATOMIC_RELAXED);
}

static inline void chain_set(const struct hold *h, uint32_t unit, uint32_t word)
{
    __atomic_store_n(layout_chain(h->layout, h->s, unit), word,
                     __ATOMIC_RELAXED);
}

/* chain_live says whether a unit is the first of a live entry. */
static inline bool chain_live(const struct hold *h, uint32_t unit)
{
    return layout_has(h->layout, unit) &&
           (chain_word(h, unit) & CHAIN_LIVE) != 0;
}

/* Where the next byte of an entry is read or written. */
struct chain_at {
    uint32_t unit;
    uint32_t offset; /* in the unit; UNIT = at its end */
};

/* chain_key returns where the key of an entry begins. */
static inline struct chain_at chain_key(const struct entry *e)
{
    return (struct chain_at){link_to(e), ENTRY_HEAD};
}

/* Copies the next n bytes, and moves *at past them. -EUCLEAN. */
int chain_write(const struct hold *h, struct chain_at *at, const char *bytes,
                uint64_t n);
int chain_read(const struct hold *h, struct chain_at *at, char *to, uint64_t n);

/* chain_equal compares the next n bytes. 1: equal, 0: not. -EUCLEAN. */
int chain_equal(const struct hold *h, struct chain_at *at, const char *bytes,
                uint64_t n);

/* chain_skip moves *at by n bytes. -EUCLEAN. */
int chain_skip(const struct hold *h, struct chain_at *at, uint64_t n);

/* chain_run returns the bytes from *at on that lie in a row, at most n; moves
 * *at past them. 0: the shard is damaged. */
uint64_t chain_run(const struct hold *h, struct chain_at *at, char **bytes,
                   uint64_t n);

#endif
