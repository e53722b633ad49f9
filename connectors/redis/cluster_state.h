/* cluster_state.h -- a Redis Cluster: what a store knows of it, and a worker's
 * session with all of its nodes. */
#ifndef WEIR_REDIS_CLUSTER_STATE_H
#define WEIR_REDIS_CLUSTER_STATE_H

#include <pthread.h>

#include "config.h"
#include "connector.h"
#include "endpoint.h"
#include "map.h"
#include "reasons.h"

enum read_from { READ_MASTER, READ_REPLICA, READ_NEAREST };

enum { SCOUT_WHY = REASONS + 32 };

struct scout {
    int bell;                    /* an eventfd: a map is wanted */
    int end;                     /* an eventfd: the store is closed */
    _Atomic uint64_t maps;       /* fetched */
    _Atomic uint64_t rounds;     /* fetches that ended, good or not */
    uint64_t ended_ns, pause_ns; /* of the last round; the thread's own */
    uint32_t turn;               /* the node to begin with; the thread's own */
    struct reasons reasons;      /* of this round; the thread's own, too */
    int failure;                 /* status of the last node that failed */

    pthread_mutex_t lock; /* guards what follows */
    pthread_t thread;
    bool started;
    bool wanted;         /* a map is wanted, and not being fetched yet */
    bool running;        /* one is being fetched */
    int status;          /* of the last round, WEIR_OK: there is a map */
    char why[SCOUT_WHY]; /* it failed */
    int *bells;          /* eventfds of sessions, to ring after a round */
    uint32_t n_bells;
};

/* What the sessions of a store share. */
struct cluster {
    struct redis *redis;
    struct endpoints seeds;
    struct map map;
    struct scout scout;
    _Atomic uint64_t moved, asked; /* redirections that were followed */
    _Atomic uint64_t delayed;      /* commands that were repeated later */
    uint32_t *probe; /* sweep.c: made under the lock of the scout */
};

struct peer;
struct errand;

/* A worker's session with a cluster. errand.c tells how a call goes. */
struct cluster_session {
    struct redis *redis;
    struct cluster *cluster;
    int epoll;
    int bell;         /* the scout or an opening (peer.c) has news */
    uint32_t version; /* of the map, when the peers were last compared */
    uint32_t turn;    /* the replica to read from, counted by call */
    const struct routing *routing;   /* for the sessions of the peers */
    uint32_t opening;                /* peers that are being connected */
    uint64_t connect_ns;             /* the longest time for that */
    struct peer *peers;              /* a list */
    struct peer *peer_of[MAP_NODES]; /* by the node's number, or NULL */
    struct errand *errands, *last;   /* calls, in the order of their start */
    struct errand *spare;            /* memory of those that ended */
    uint32_t n_spare;
};

#endif
