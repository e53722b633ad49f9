/* worker.h -- a thread that runs batches. */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "pipeline.h"

struct worker {
    struct lane *lane;
    pthread_t thread;
    struct sleeper sleeper;
    struct session session;
    struct pipeline pipeline;
};

/* worker_init prepares a worker and worker_start starts its thread. They return
 * 0 or a negative errno. worker_destroy comes after the thread was joined, also
 * after a worker_init that failed or did not happen (then the worker is zero).
 */
int worker_init(struct worker *w, struct weir_store *store, struct lane *lane,
                struct stats *shard);
int worker_start(struct worker *w);
void worker_destroy(struct worker *w);

#endif
