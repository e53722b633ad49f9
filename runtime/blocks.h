/* blocks.h -- memory for large values, kept for the next one of its size. */
#ifndef WEIR_BLOCKS_H
#define WEIR_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/* Smaller values come from malloc. With AddressSanitizer all do, because it
 * checks only blocks of malloc. */
#ifdef __SANITIZE_ADDRESS__
#define BLOCKS_FROM SIZE_MAX
#else
#define BLOCKS_FROM (128u << 10)
#endif

enum { BLOCKS_PAGE = 4096 };

/* blocks_take returns size bytes or more, at the start of a page, or NULL.
 * *pages is the number of its pages that take memory: those that size needs, or
 * more if an earlier value used more. Any thread may call it. It never waits
 * for another thread. */
void *blocks_take(size_t size, uint32_t *pages);

/* blocks_give gives a block back, with the pages that blocks_take returned. */
void blocks_give(void *block, uint32_t pages);

#endif
