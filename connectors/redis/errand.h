/* errand.h -- a call on its way through a cluster. */
#ifndef WEIR_REDIS_ERRAND_H
#define WEIR_REDIS_ERRAND_H

#include "peer.h"

/* The way of an item. */
struct trip {
    uint64_t due_ns; /* while it waits: until when, or with for_map for which
                        round of the scout */
    uint16_t slot;
    uint16_t node;     /* to ask after an ASK, else NO_NODE */
    uint16_t to;       /* errand_resume: the node that gets it */
    uint8_t redirects; /* followed so far */
    uint8_t delays;    /* repetitions so far */
    bool waits;        /* it is with no node now */
    bool leaves;       /* errand_resume: it goes to a node now */
    bool for_map;      /* it waits for a map */
    bool had_map;      /* it has waited for one: its node is down */
    bool of_master;    /* read from the master: a replica refused */

    /* sweep.c: a slot that is migrating is read from its owner, then from the
     * other node. */
    uint16_t other;   /* the node that it migrates to */
    uint16_t seen;    /* the other node when both were read, or NO_NODE */
    bool source_read; /* the owner was read */
};

struct errand {
    struct weir_call *call;
    struct weir_item *items; /* those of the call, or slots that sweep reads */
    uint32_t n;
    uint32_t room;       /* for trips */
    struct sweep *sweep; /* of a scan (sweep.h), else NULL */
    /* Of a scan, else NULL. free frees the sweep. migrates notes that a node is
     * migrating a slot to another one, and returns false if the slot is
     * complete. */
    void (*free)(struct errand *e);
    bool (*migrates)(struct peer *peer, struct errand *e, struct trip *t,
                     uint16_t to);
    struct errand *next, *previous;
    uint32_t parts;    /* progresses with nodes */
    uint32_t waiting;  /* items with no node */
    uint64_t since_ns; /* its start */
    struct trip trips[];
};

/* errand_new makes an errand with n trips to fill in. NULL: out of memory. */
struct errand *errand_new(struct cluster_session *cs, struct weir_call *call,
                          uint32_t n);

/* errand_trip returns the trip of an item. */
struct trip *errand_trip(struct errand *e, const struct weir_item *item);

/* errand_wait makes an item that is with no node wait until a time. */
void errand_wait(struct errand *e, struct trip *t, uint64_t due_ns);

/* errand_pause returns a pause that doubles n times, up to most. */
uint64_t errand_pause(uint64_t first, uint64_t most, uint32_t n);

/* errand_delay makes an item wait for a pause that doubles each time, but takes
 * at most half of the time left. false: the time for it is over. */
bool errand_delay(struct cluster *c, struct errand *e, struct trip *t,
                  uint64_t first, uint64_t most);

/* errand_start splits a call by node. NULL: out of memory. */
struct errand *errand_start(struct cluster_session *cs, struct weir_call *call);

/* errand_resume sends waiting items whose time has come. */
void errand_resume(struct cluster_session *cs, struct errand *e, uint64_t now);

/* errand_due returns when errand_resume has something to do, UINT64_MAX: not by
 * time alone. */
uint64_t errand_due(const struct errand *e);

static inline bool errand_is_done(const struct errand *e)
{
    return e->parts == 0 && e->waiting == 0;
}

/* errand_end ends an errand and may keep its memory for the next one.
 * errands_free ends all and frees the memory. */
void errand_end(struct cluster_session *cs, struct errand *e);
void errands_free(struct cluster_session *cs);

/* For struct routing. */
bool errand_same_slot(const struct progress *p, uint32_t i, uint32_t j);
void errand_part_ended(struct progress *p);

/* errand_not_connected ends the parts that wait for a peer whose connect
 * failed: their items wait for a new map, or fail if they have. */
void errand_not_connected(struct peer *peer);

#endif
