/* wide_xxh3.h -- XXH3 for values: on x86-64 the library chooses the widest
 * vector instructions at run time. For 1 MiB it takes 18 us so, and 52 us with
 * those that every processor has. For short keys XXH_INLINE_ALL is faster. */
#ifndef WEIR_WIDE_XXH3_H
#define WEIR_WIDE_XXH3_H

/* Test programs compile the hash in with XXH_INLINE_ALL instead. */
#if defined(__x86_64__) && !defined(XXH_INLINE_ALL)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#endif
