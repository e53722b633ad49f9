/* policies.c -- memory's eviction, compiled over entries in shared memory.
 *
 * The sources are those of connectors/memory. They know entries by the
 * functions of link.h, entry.h and exact.h only, and see this folder's, whose
 * include guards are those of memory's. */
#include "link.h"

#include "entry.h"

#include "exact.h"

#include "../memory/fifo.c"
#include "../memory/ghost.c"
#include "../memory/lru.c"
#include "../memory/s3fifo.c"
#include "../memory/sieve.c"
