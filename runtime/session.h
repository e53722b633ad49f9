/* session.h -- what a worker holds of a backend, opened and healed. */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include "worker.h"

enum ready {
    READY_YES,  /* the session may be used */
    READY_FAIL, /* no session of the lane works: fail what is queued */
    READY_LATER /* others work; wait until the lane's retry_ns */
};

/* session_ready makes sure that a worker has a session that works; why it has
 * none is in w->why. Blocks at most for the store's connect_timeout. */
enum ready session_ready(struct worker *w);

/* session_drop ends a session: it broke, or its worker ends. */
void session_drop(struct worker *w);

#endif
