/* health.h -- whether the backend of a lane can be reached. */
#ifndef WEIR_HEALTH_H
#define WEIR_HEALTH_H

#include <pthread.h>
#include <stdatomic.h>

#include "store_options.h"

/* Why a connect failed. */
struct failure {
    struct weir_error error;
    int status; /* the status that queued items get for it */
};

struct health {
    pthread_mutex_t lock; /* guards what follows; never held with another */
    _Atomic uint32_t sessions; /* open ones; read without the lock */
    uint32_t failures;         /* connects that failed in a row */
    uint64_t retry_ns;         /* no worker connects before; 0 = no backoff */
    struct failure last;       /* why the last connect failed */
};

enum ready {
    READY_YES,  /* connect, or use the session */
    READY_FAIL, /* no session of the lane works: fail what is queued */
    READY_LATER /* other sessions work: leave the queue to them until retry_ns
                 */
};

void health_init(struct health *h);
void health_destroy(struct health *h);

/* health_ready says whether a worker without a session may connect now. Under
 * backoff it may not: *failure is why the last connect failed. */
enum ready health_ready(struct health *h, const struct store_config *config,
                        struct failure *failure);

/* health_connected counts a session that was opened, health_lost one that was
 * closed. */
void health_connected(struct health *h);
void health_lost(struct health *h);

/* health_failed notes why a connect failed and starts the backoff. Returns
 * READY_FAIL or READY_LATER. */
enum ready health_failed(struct health *h, const struct store_config *config,
                         const struct failure *failure);

/* health_backoff returns how long to wait after so many failures in a row. */
uint64_t health_backoff(const struct store_config *config, uint32_t failures);

/* health_retry_ns returns the time when the backoff ends. */
uint64_t health_retry_ns(struct health *h);

#endif
