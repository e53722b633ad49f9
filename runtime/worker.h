/* worker.h -- a thread with a session of its own. */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include <pthread.h>

#include "lane.h"
#include "stats.h"

struct worker;

/* A slice on its way: the call the connector sees, and whose it is. */
struct slice {
    struct weir_call call; /* first: the two are one address */
    struct batch *batch;   /* NULL while connecting, and when it is done */
    struct worker *worker; /* NULL on the submitting thread */
    uint64_t bytes;
    uint64_t started_ns;
};

static inline struct slice *slice_of(struct weir_call *call)
{
    return (struct slice *)call;
}

/* One worker's slices: a ring, the oldest first. */
#define WORKER_SLICES 64

struct worker {
    struct weir_store *store;
    struct lane *lane;
    struct stats *stats; /* this worker's shard */
    pthread_t thread;
    int fd; /* an eventfd: new work, or interrupted */
    _Atomic bool interrupted;

    void *session; /* connector.session_size bytes, or the store's state */
    bool open;     /* its own; written under the lane's lock */
    bool was_open;
    bool retiring; /* the session is replaced when nothing is on its way */
    _Atomic uint64_t
        connecting_ns;     /* since when it connects; 0 = it does not */
    struct weir_error why; /* of the last connect that failed */
    int why_status;        /* what items get for it */

    struct slice slices[WORKER_SLICES];
    uint32_t oldest, n;    /* of slices */
    uint64_t items, bytes; /* on the way in them */
    uint64_t earliest_ns;  /* no slice's deadline is before; 0 = none has one */
    bool finishing;        /* inside the connector's finish */
    bool listening;        /* finish returns when new work comes */
    bool resting;          /* ... and this worker is on the idle list for it */

    struct worker *next_idle; /* under the lane's lock */
    bool is_idle;             /* under the lane's lock */
};

/* thread_start makes a thread that blocks all signals. */
int thread_start(pthread_t *thread, void *(*main)(void *), void *arg);

/* worker_init prepares, worker_start starts, worker_destroy frees what a joined
 * worker had. Negative errnos. */
int worker_init(struct worker *w, struct lane *l, struct stats *stats);
int worker_start(struct worker *w);
void worker_destroy(struct worker *w);

/* worker_ring wakes a worker; worker_interrupt ends what it waits for. */
void worker_ring(struct worker *w);
void worker_interrupt(struct worker *w);

#endif
