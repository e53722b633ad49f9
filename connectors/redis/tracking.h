/* tracking.h -- a connection on which a server tells which keys have changed.
 */
#ifndef WEIR_REDIS_TRACKING_H
#define WEIR_REDIS_TRACKING_H

#include "endpoint.h"
#include "link.h"
#include "open.h"
#include "pushes.h"

/* Zeroed before tracking_begin. */
struct tracking {
    struct redis *redis;
    struct weir_call *call;
    const struct endpoint *node; /* of a cluster, or NULL */
    struct link link;
    struct pushes pushes;
    uint64_t asked_ns; /* the ping without an answer, 0: none */
    uint64_t next_ns;  /* of the next ping */
    uint64_t epoch;    /* of the cluster, as the node knows it */
};

/* tracking_begin connects to a node of a cluster, or with NULL to the server of
 * the store, and makes it tell. Returns 0 or a negative errno, and tells call
 * why. The caller ends the tracking then, too. node is kept. */
int tracking_begin(struct tracking *t, struct redis *r, struct weir_call *call,
                   const struct endpoint *node);

/* tracking_read receives pushes and tells the runtime of the changed keys.
 * Returns 0 when the connection has no more bytes, 1 when it may have, or a
 * negative errno as tracking_begin does. */
int tracking_read(struct tracking *t);

/* tracking_ping sends a ping when it is time. -ETIMEDOUT: the last one has no
 * answer. Shortens *wait_ns to the time until the next call. It is called when
 * tracking_read left nothing: so a thread that got no CPU time finds the answer
 * first. */
int tracking_ping(struct tracking *t, uint64_t *wait_ns);

void tracking_end(struct tracking *t);

#endif
