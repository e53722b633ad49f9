/* link.h -- how things in a shard point at each other; in place of memory's.
 *
 * Every process maps a shard at the start of a window: 256 MiB of address
 * space, aligned to its size. A link is the number of a unit of 128 bytes in
 * the window that holds the link. So it means the same in every process, and
 * whatever bytes a link has, it points into the window: a mapping that somebody
 * else has altered leads to wrong entries, never to an address outside.
 *
 * It has the include guard of connectors/memory/link.h, as entry.h and exact.h
 * have those of their namesakes: policies.c compiles memory's eviction over
 * these three. */
#ifndef LINK_H
#define LINK_H

#include <stdint.h>

enum {
    WINDOW_BITS = 28,
    UNIT_SHIFT = 7,
    UNIT = 1 << UNIT_SHIFT,
    LINK_BITS = WINDOW_BITS - UNIT_SHIFT,
    LINK_MASK = (1 << LINK_BITS) - 1,
};

#define WINDOW_SIZE (UINT64_C(1) << WINDOW_BITS)

/* window_of returns the start of the window that an address lies in. */
static inline char *window_of(const void *p)
{
    return (char *)((uintptr_t)p & ~(uintptr_t)(WINDOW_SIZE - 1));
}

/* unit_at returns the unit of a number. */
static inline void *unit_at(const void *holder, uint64_t link)
{
    return window_of(holder) + ((link & LINK_MASK) << UNIT_SHIFT);
}

/* link_at returns what a link points at; NULL for 0. `holder` is any address in
 * the struct that has the link. */
static inline void *link_at(const void *holder, uint64_t link)
{
    return (link & LINK_MASK) != 0 ? unit_at(holder, link) : 0;
}

/* link_to returns the link to an address; 0 for NULL. */
static inline uint32_t link_to(const void *p)
{
    return (uint32_t)(((uintptr_t)p & (WINDOW_SIZE - 1)) >> UNIT_SHIFT);
}

/* link_clamp returns the address in the holder's window that p has in its own.
 * For addresses computed from numbers in the mapping. */
static inline void *link_clamp(const void *holder, void *p)
{
    return window_of(holder) + ((uintptr_t)p & (WINDOW_SIZE - 1));
}

#endif
