/* store.h -- an opened connector. */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include "connector.h"
#include "lane.h"
#include "options.h"
#include "reaper.h"
#include "stats.h"

#define STORE_LANES 8
#define STORE_NAME 120

/* The options that every store has. */
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
    int inline_choice; /* auto, true, false */
};

enum inline_choice { INLINE_AUTO = 0, INLINE_TRUE, INLINE_FALSE };

extern const struct weir_option STORE_OPTIONS[];

struct weir_store {
    const struct weir_connector *connector;
    void *state;
    struct options options;       /* the connector's configuration */
    struct options store_options; /* ours */
    struct store_config config;
    char name[STORE_NAME];
    bool is_inline;
    uint32_t max_key;
    struct weir_slice slice, window;
    uint32_t forks; /* seen when it was opened */

    uint32_t n_lanes;
    struct lane lanes[STORE_LANES];
    uint32_t n_workers;
    uint32_t n_started; /* of them, those that have a thread */
    struct worker *workers;
    uint32_t n_shards;
    struct stats *shards;
    struct reaper reaper;

    _Atomic bool closing;
    _Atomic uint32_t refs;     /* the host and each batch until it is drained */
    _Atomic uint32_t inside;   /* inline calls and readings of gauges */
    _Atomic uint64_t get_size; /* a running mean, to judge gets by */
    _Atomic uint64_t inflight_batches, inflight_items, inflight_bytes;
    _Atomic uint64_t reconnects, connect_failures, refused;

    pthread_mutex_t close_lock; /* held by the one close that runs */
    bool closed;                /* under close_lock */

    pthread_mutex_t lock; /* guards what follows; never held with another */
    pthread_cond_t ended; /* a worker ended, or another close began */
    uint32_t running;     /* workers that have not ended */
    bool close_wanted;    /* a close has begun */
    bool close_fails;     /* one of them fails what is queued */
    uint64_t close_ns;    /* the earliest deadline of them */
    struct weir_error last_error;
    uint64_t last_error_ns;
};

void store_unref(struct weir_store *s);

/* store_lane returns the lane of an op. */
struct lane *store_lane(struct weir_store *s, uint32_t op);

/* store_keep_error keeps a batch's error as the store's last. */
void store_keep_error(struct weir_store *s, const struct batch *b);

/* store_batch_ended takes a finished batch out of what is in flight and keeps
 * its error. */
void store_batch_ended(struct weir_store *s, const struct batch *b);

/* store_settle makes sense of what the connector left in answered items, counts
 * them and their bytes, and returns how many are errors. */
uint32_t store_settle(struct weir_store *s, struct batch *b,
                      struct stats *shard, struct weir_item *items, uint32_t n);

#endif
