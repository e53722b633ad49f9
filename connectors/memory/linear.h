/* linear.h -- the numbers of linear hashing.
 *
 * W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB
 * 1980. A table grows by one bucket at a time: a new last bucket takes over
 * half of the hashes of one other bucket. So no operation ever moves all
 * entries. The table of entries and that of ghosts both grow this way. */
#ifndef MEMORY_LINEAR_H
#define MEMORY_LINEAR_H

#include <stdint.h>

struct linear {
    uint32_t n;    /* buckets in use: mask / 2 < n <= mask + 1 */
    uint32_t mask; /* of a hash, once all buckets below it are split */
};

/* linear_bucket returns the bucket of a hash. */
static inline uint32_t linear_bucket(struct linear l, uint32_t hash)
{
    uint32_t at = hash & l.mask;

    return at < l.n ? at : at & l.mask >> 1;
}

/* linear_grown returns the numbers with one bucket more. */
static inline struct linear linear_grown(struct linear l)
{
    return (struct linear){l.n + 1, l.n > l.mask ? l.mask * 2 + 1 : l.mask};
}

/* linear_shrunk returns the numbers with one bucket less. */
static inline struct linear linear_shrunk(struct linear l)
{
    return (struct linear){l.n - 1,
                           l.n - 1 > (l.mask >> 1) + 1 ? l.mask : l.mask >> 1};
}

/* linear_source returns the bucket that the last one was split from. */
static inline uint32_t linear_source(struct linear l)
{
    return (l.n - 1) & l.mask >> 1;
}

#endif
