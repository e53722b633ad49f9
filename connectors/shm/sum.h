/* sum.h -- the checksum of large values, with the processor's wide registers.
 *
 * xxhash chooses its instructions when it is compiled: those that every
 * processor has, 4.4 us for 64 KiB. This is the same sum in 1.2 us. A set adds
 * up the blocks while it copies them. Medians of one run, in us, for a value of
 * 64 KiB from a warm buffer to one of many in the mapping; "then read" is a
 * copy of one of them:
 *
 *                                 sum, memcpy    sum_copy    past the caches
 *     values of 64 MiB                7.5           6.1            2.9
 *     of 64 MiB, then read           15                           11
 *     of 4 MiB, then read             4.3                          7
 *
 * A store past the caches does not read first what it overwrites. */
#ifndef SHM_SUM_H
#define SHM_SUM_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SUM_WIDE_FROM = 1024, /* bytes; a shorter value does not gain */
    SUM_LINE = 64,
};

/* sum_can says whether this processor has what sum_wide and sum_copy need. */
bool sum_can(void);

/* sum_wide returns XXH3_64bits of the bytes. */
uint64_t sum_wide(const char *bytes, uint64_t size);

/* sum_copy copies bytes to an address that is a multiple of SUM_LINE, and
 * returns their XXH3_64bits. past: the copy goes past the caches. */
uint64_t sum_copy(char *to, const char *bytes, uint64_t size, bool past);

#endif
