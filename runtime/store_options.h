/* store_options.h -- the options that every store has. */
#ifndef WEIR_STORE_OPTIONS_H
#define WEIR_STORE_OPTIONS_H

#include "weir.h"

struct store_config {
    int64_t workers; /* 0 = the connector's choice */
    const char *lanes;
    int64_t queue;
    uint64_t queue_bytes;
    uint64_t max_value;
    int64_t slice_items;
    uint64_t slice_bytes;
    int64_t window_items;
    uint64_t window_bytes;
    uint64_t timeout_ns;
    uint64_t connect_timeout_ns;
    uint64_t backoff_ns;
    uint64_t max_backoff_ns;
    uint64_t spin_ns;
    int inline_choice; /* enum inline_choice */
};

enum inline_choice { INLINE_AUTO = 0, INLINE_TRUE, INLINE_FALSE };

extern const struct weir_option STORE_OPTIONS[];

#endif
