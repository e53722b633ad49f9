/* store.h -- an opened store: the part that its threads share. */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include "connector.h"
#include "lane.h"
#include "options.h"
#include "reaper.h"
#include "stats.h"
#include "store_options.h"
#include "watcher.h"

enum {
    STORE_LANES = 8,
    STORE_NAME = 120, /* bytes of the name that messages use */
};

struct worker;

struct weir_store {
    const struct weir_connector *connector;
    void *state;                  /* the connector's */
    struct options options;       /* the connector's configuration */
    struct options store_options; /* the runtime's */
    struct store_config config;
    char name[STORE_NAME];
    bool is_inline;
    uint32_t max_key;
    struct weir_slice slice, window;
    uint32_t forks; /* forks_seen() when it was opened */

    uint32_t n_lanes;
    struct lane lanes[STORE_LANES];
    uint32_t n_workers;
    uint32_t n_started; /* of them, those that have a thread */
    struct worker *workers;
    uint32_t n_shards;
    struct stats *shards;
    struct reaper reaper;
    struct watcher watcher;

    _Atomic bool closing;
    _Atomic uint32_t refs;   /* the host, closing threads, undrained batches */
    _Atomic uint32_t inside; /* inline calls and readings of gauges */
    _Atomic uint32_t asking; /* calls of weir_ask */
    _Atomic uint64_t inflight_batches, inflight_items, inflight_bytes;
    _Atomic uint64_t reconnects, connect_failures, refused;

    pthread_mutex_t close_lock; /* held by the one close that runs */
    bool closed;                /* under close_lock */

    pthread_mutex_t lock; /* guards what follows; never held with another */
    pthread_cond_t ended; /* a worker ended, or another close began */
    uint32_t running;     /* workers that have not ended */
    bool close_wanted;    /* a close has begun */
    bool close_fails;     /* one of the closes fails what is queued */
    uint64_t close_ns;    /* the earliest of their deadlines */
    struct weir_error last_error;
    uint64_t last_error_ns;
};

/* store_init_locks makes a zeroed store's locks and its first reference. */
void store_init_locks(struct weir_store *s);

void store_ref(struct weir_store *s);

/* store_unref drops a reference. With the last one it frees the memory: the
 * threads, workers and the reaper are gone by then (close.c). */
void store_unref(struct weir_store *s);

/* store_worker_ended counts a worker off and wakes the close that waits. */
void store_worker_ended(struct weir_store *s);

/* store_enter keeps the connector's state until store_leave, since close waits.
 * able: whether the connector can do what is wanted. 0, or a negative errno;
 * store_leave follows in any case. */
int store_enter(struct weir_store *s, bool able);
void store_leave(struct weir_store *s);

/* store_lane returns the lane of an op. The store has workers. */
struct lane *store_lane(struct weir_store *s, uint32_t op);

/* store_keep_error keeps a batch's error as the store's last. */
void store_keep_error(struct weir_store *s, const struct batch *b);

/* store_begin counts a batch in flight, store_end counts it off. */
void store_begin(struct weir_store *s, const struct batch *b);
void store_end(struct weir_store *s, const struct batch *b);

#endif
