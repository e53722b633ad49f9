/* pipeline.h -- the slices in flight on one session. */
#ifndef WEIR_PIPELINE_H
#define WEIR_PIPELINE_H

#include "session.h"
#include "slice.h"

struct pipeline {
    struct session *session;
    struct stats *stats; /* the worker's shard */

    struct slice *slices;          /* room for as many as may be in flight */
    struct slice *unused;          /* those that are not, by next */
    struct slice *oldest, *newest; /* those that are, in order of their start */
    uint32_t n, max;               /* in flight, and at most */
    uint64_t items, bytes;         /* in all of them */
    uint64_t
        earliest_ns; /* no slice has an earlier deadline; 0 = none has any */
    bool finishing;  /* a connector's finish runs */
    bool stirred;    /* it waited, or looked, or ended a call */
};

/* pipeline_init prepares a zeroed pipeline. Returns 0 or a negative errno. */
int pipeline_init(struct pipeline *p, struct session *session,
                  struct stats *stats);
void pipeline_destroy(struct pipeline *p);

/* pipeline_has_room says whether the window has room for another slice. */
bool pipeline_has_room(const struct pipeline *p);

/* pipeline_start starts a claim. A connector without start and finish also
 * completes it. */
void pipeline_start(struct pipeline *p, const struct claim *claim);

/* pipeline_finish waits for the oldest slice; or returns earlier, when there is
 * room and new work came, or when some slice is late. */
void pipeline_finish(struct pipeline *p);

/* pipeline_has_idle says whether the connector works while nothing is in
 * flight, and has what it needs for that. */
bool pipeline_has_idle(const struct pipeline *p);

/* pipeline_idle lets the connector work until there is a batch, or the store
 * stops. Call it with nothing in flight and the lane not stopping: then the
 * wake of close ends it. */
void pipeline_idle(struct pipeline *p);

/* pipeline_expires says whether a late slice can end without the session. */
static inline bool pipeline_expires(const struct pipeline *p)
{
    return p->session->store->connector->expire != NULL;
}

#endif
