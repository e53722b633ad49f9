/* ghost.h -- remembers which keys were dropped lately.
 *
 * A table of cache lines. Each is a short FIFO of marks, and a mark is 16 bits
 * of a key's hash. It needs two bytes a key, and is a hint: two keys with equal
 * hashes count as one, and a line that gets more than its share of keys forgets
 * them earlier. Neither does harm. */
#ifndef MEMORY_GHOST_H
#define MEMORY_GHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linear.h"
#include "link.h"

enum { GHOST_LINE = 32 }; /* marks in a line of 64 bytes */

struct ghost_line {
    uint16_t marks[GHOST_LINE];
};

struct ghost {
    uint64_t lines;     /* link to the first */
    struct linear size; /* n = 0: it remembers nothing yet */
    uint32_t max;       /* lines there is address space for */
    uint32_t added;     /* keys since the last new line */
};

/* ghost_init reserves address space for that many keys. -ENOMEM. */
int ghost_init(struct ghost *g, uint64_t max_keys);

/* ghost_add remembers a hash of ENTRY_HASH_BITS bits. */
void ghost_add(struct ghost *g, uint32_t hash);

/* ghost_forget says whether a hash is remembered, and forgets it. */
bool ghost_forget(struct ghost *g, uint32_t hash);

/* ghost_grow goes one step towards room for that many keys; call it for each
 * key that is dropped. It adds at most a line in GHOST_PACE calls. So the
 * memory that it takes from the entries grows by less than what an eviction
 * frees. */
void ghost_grow(struct ghost *g, uint64_t keys);

/* ghost_shrink takes two lines away if there is four times too much room. */
void ghost_shrink(struct ghost *g, uint64_t keys);

void ghost_free(struct ghost *g);

static inline uint64_t ghost_bytes(const struct ghost *g)
{
    return (uint64_t)g->size.n * sizeof(struct ghost_line);
}

#endif
