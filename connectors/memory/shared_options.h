/* shared_options.h -- what the options of memory and shm have in common. */
#ifndef MEMORY_SHARED_OPTIONS_H
#define MEMORY_SHARED_OPTIONS_H

#include <stddef.h>

#include "connector.h"

/* The eviction policies (eviction.h), and the words for them in the same order.
 */
#define OPTIONS_POLICIES                                                       \
    &eviction_s3fifo, &eviction_lru, &eviction_sieve, &eviction_fifo
#define OPTIONS_EVICTION "s3fifo|lru|sieve|fifo"

/* How the help of the option shards begins. */
#define OPTIONS_SHARDS                                                         \
    "parts with a lock and a share of the capacity each, a power of two"

/* The option ttl of a struct with a field ttl_ns. */
#define OPTIONS_TTL(config)                                                    \
    {                                                                          \
        .name = "ttl",                                                         \
        .help = "when an entry expires that was set without a time to live; "  \
                "0 = never",                                                   \
        .type = WEIR_DURATION, .value = "0",                                   \
        .offset = offsetof(config, ttl_ns),                                    \
    }

#endif
