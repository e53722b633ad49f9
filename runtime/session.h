/* session.h -- a worker's connection to the backend. */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include "store.h"

struct session {
    struct weir_store *store;
    struct lane *lane;
    struct sleeper *sleeper; /* the worker's */
    void *memory;  /* connector.session_size bytes, or the store's state */
    bool open;     /* memory holds a session; for its worker only */
    bool was_open; /* it was open before */
    bool retiring; /* to be replaced once nothing is in flight */
    struct failure failure; /* why its last connect failed */

    pthread_mutex_t lock;   /* guards what follows, and memory while it is
                               zeroed; never held with another */
    uint64_t connecting_ns; /* when the connect began; 0 = none runs */
};

/* session_init returns 0 or -ENOMEM. */
int session_init(struct session *s, struct weir_store *store, struct lane *lane,
                 struct sleeper *sleeper);
void session_destroy(struct session *s);

/* session_ready makes sure that a worker has a session that works, or leaves in
 * s->failure why it has none. idle says that nothing is in flight on it. Blocks
 * at most for the store's connect_timeout. */
enum ready session_ready(struct session *s, bool idle);

/* session_drop closes a session: it broke, or its worker ends. */
void session_drop(struct session *s);

/* session_interrupt makes the worker's waits end, also those outside
 * weir_call_wait. Any thread may call it at any time. */
void session_interrupt(struct session *s);

/* session_interrupt_connect does so if a connect runs which began before a time
 * or which no queued batch needs. */
void session_interrupt_connect(struct session *s, uint64_t before);

#endif
