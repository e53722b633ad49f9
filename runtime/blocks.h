/* blocks.h -- memory for large values, kept for the next one of its size. */
#ifndef WEIR_BLOCKS_H
#define WEIR_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/* Smaller values are malloc's business; under AddressSanitizer, which sees what
 * happens to malloc's blocks only, all are. */
#ifdef __SANITIZE_ADDRESS__
#define BLOCKS_FROM SIZE_MAX
#else
#define BLOCKS_FROM (128u << 10)
#endif

enum { BLOCKS_PAGE = 4096 };

/* blocks_take returns size bytes or more, at the start of a page; or NULL.
 * *pages is how many of its pages are in use: what the size needs, or more if
 * an earlier value used more. Any thread; never waits for another. */
void *blocks_take(size_t size, uint32_t *pages);

/* blocks_give gives a block back with the pages that blocks_take told. */
void blocks_give(void *block, uint32_t pages);

#endif
