/* exact.h -- remembers which keys were dropped lately, to the last one.
 *
 * What ghost.h does, but as the paper on S3-FIFO has it: a FIFO of whole keys.
 * It needs some 50 bytes a key, which the capacity does not count. */
#ifndef EXACT_H
#define EXACT_H

#include "queue.h"
#include "table.h"

struct exact {
    struct table table; /* entries without a value */
    struct queue queue;
};

/* exact_wanted says whether a policy shall follow its paper to the letter. The
 * version for shm always says no. */
static inline bool exact_wanted(uint8_t option)
{
    return option != 0;
}

/* exact_init reserves address space for that many keys. -ENOMEM. */
int exact_init(struct exact *x, uint64_t max_keys);

/* exact_add remembers the key of an entry as the last of at most `keys`. When
 * there is no memory it forgets the key. */
void exact_add(struct exact *x, const struct entry *e, uint64_t keys);

/* exact_forget says whether the key of an entry is remembered, and forgets it.
 */
bool exact_forget(struct exact *x, const struct entry *e);

void exact_free(struct exact *x);

#endif
