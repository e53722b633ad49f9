/* peer.h -- a worker's connection to one node of a cluster. */
#ifndef WEIR_REDIS_PEER_H
#define WEIR_REDIS_PEER_H

#include "cluster_state.h"
#include "session.h"

struct opening;

struct peer {
    struct cluster_session *cluster;
    struct peer *next;
    uint16_t node;
    uint32_t generation; /* of the node's place in the map */
    struct endpoint at;
    char name[ENDPOINT_HOST + 16]; /* at in words */
    char node_words[128];          /* for sentences */
    struct redis_session *s;       /* NULL: not connected */
    struct opening *opening;       /* being connected, or NULL */
    uint32_t events;               /* that epoll reports of it */
    bool failed; /* the connect failed, those that wait do not know yet */
    bool leaves; /* its node left: close it when it is idle */
    struct weir_item nobody; /* stands for items that were sent elsewhere */
    struct progress *waiting, *last_waiting; /* until it is connected */

    /* errand.c: the part of a call that is being made for it. */
    struct progress *part;
    uint32_t part_n;
};

/* peer_of returns the peer of a node, which it makes if there is none yet.
 * NULL: out of memory. */
struct peer *peer_of(struct cluster_session *cs, uint16_t node);

/* peer_add gives a progress to a peer. It waits there until the peer is
 * connected. */
void peer_add(struct peer *p, struct progress *part);

/* peer_is_down returns whether connects to the node of a peer that is not
 * connected fail at present. */
bool peer_is_down(const struct peer *p);

/* peer_drop ends a connection because of rc, a negative errno, and answers its
 * items. */
void peer_drop(struct peer *p, int rc);

/* peer_suspect notes that a reply is overdue: the node may hang, and another
 * one may have its slots. */
void peer_suspect(struct peer *p);

/* peers_tidy takes over connections that were opened, and closes those to nodes
 * that left. */
void peers_tidy(struct cluster_session *cs);

/* peers_close closes all connections, without answers. */
void peers_close(struct cluster_session *cs);

/* peer_watch makes epoll report what the connection waits for. */
void peer_watch(struct peer *p);

#endif
