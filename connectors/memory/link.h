/* link.h -- how eviction queues, entries and ghosts point at each other.
 *
 * A link is an address in steps of 16 bytes: malloc aligns to that, and a
 * process has 48 bits of address space, so it takes 44 bits. The connector shm
 * has a link.h of its own, with links that mean the same in every process.
 * queue.h, eviction.h, ghost.h and the policies know links by these functions
 * only, and both connectors compile them. */
#ifndef LINK_H
#define LINK_H

#include <stdint.h>

enum { LINK_BITS = 44, LINK_SHIFT = 4 };

/* link_at returns what a link points at; NULL for 0. `holder` is any address in
 * the struct that has the link. */
static inline void *link_at(const void *holder, uint64_t link)
{
    (void)holder;
    return (void *)(uintptr_t)(link << LINK_SHIFT);
}

/* link_to returns the link to an address; 0 for NULL. */
static inline uint64_t link_to(const void *p)
{
    return (uintptr_t)p >> LINK_SHIFT;
}

/* link_clamp returns p. The version for shm brings it back into the mapping,
 * since other processes may have written the link. Memory has no such writers.
 */
static inline void *link_clamp(const void *holder, void *p)
{
    (void)holder;
    return p;
}

#endif
