/* ghost.h -- the hashes of keys that were dropped lately.
 *
 * A table of cache lines, each a little FIFO of hashes: about the last `slots`
 * keys are remembered, four bytes each. What it says is a hint. Two keys of
 * one hash are one, an unlucky line forgets early; neither does harm. */
#ifndef MEMORY_GHOST_H
#define MEMORY_GHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GHOST_LINE = 16 }; /* hashes to a line */

struct ghost {
    uint32_t (*lines)[GHOST_LINE]; /* NULL: remembers nothing */
    uint32_t n;                    /* lines, a power of two */
};

/* ghost_add remembers a hash. */
void ghost_add(struct ghost *g, uint32_t hash);

/* ghost_forget says whether a hash is remembered, and forgets it. */
bool ghost_forget(struct ghost *g, uint32_t hash);

/* ghost_grow doubles the room if it is for less hashes than there are entries,
 * ghost_shrink takes some away if it is for eight times as many. Without memory
 * it stays as it is. */
void ghost_grow(struct ghost *g, uint64_t entries);
void ghost_shrink(struct ghost *g, uint64_t entries);

void ghost_free(struct ghost *g);

static inline uint64_t ghost_bytes(const struct ghost *g)
{
    return (uint64_t)g->n * sizeof *g->lines;
}

#endif
