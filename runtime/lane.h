/* lane.h -- a bounded queue of batches and the workers that empty it. */
#ifndef WEIR_LANE_H
#define WEIR_LANE_H

#include <pthread.h>

#include "batch.h"

struct worker;

/* What a worker took of a batch. */
struct claim {
    struct batch *batch;
    uint32_t first;
    uint32_t n;
    uint64_t bytes;
};

struct lane {
    struct weir_store *store;
    uint32_t ops; /* a bit (1 << op) each */
    uint32_t n_workers;
    struct worker *workers;

    pthread_mutex_t lock; /* guards what follows; never held with another */
    struct batch *head, *tail; /* batches with unclaimed items */
    _Atomic bool waiting;      /* head is not NULL; a hint without the lock */
    uint64_t items, bytes;     /* of what is unclaimed */
    struct worker *idle;       /* asleep until rung, the last first */
    bool stopping;             /* no more batches; workers end when empty */
    _Atomic uint32_t sessions; /* open ones; read without */
    uint32_t failures;         /* connects that failed in a row */
    uint64_t retry_ns;         /* no connect before then */
    struct weir_error why;     /* of the last failed connect */
    int why_status;            /* what items get for it */
};

void lane_init(struct lane *l, struct weir_store *store);
void lane_destroy(struct lane *l);

/* lane_weigh returns the bytes that a batch counts in the bounds. */
uint64_t lane_weigh(const struct lane *l, const struct batch *b);

/* lane_push queues a batch and rings as many idle workers as it has slices.
 * -EAGAIN: full. -ESHUTDOWN: stopping. */
int lane_push(struct lane *l, struct batch *b);

/* lane_remove takes a batch out of the queue; false: all of it is claimed. */
bool lane_remove(struct lane *l, struct batch *b);

/* lane_claim takes the next items of the oldest batch, within room, for a
 * worker that is awake; false: the queue is empty. Batches past their deadline
 * go to *expired. */
bool lane_claim(struct lane *l, struct worker *w, const struct weir_slice *room,
                struct claim *out, struct batch **expired);

/* lane_expire moves what is past its deadline to a list, returns the earliest
 * deadline of what remains (UINT64_MAX: none). */
uint64_t lane_expire(struct lane *l, uint64_t now, struct batch **expired);

/* lane_take_all empties the queue into a list. */
struct batch *lane_take_all(struct lane *l);

/* lane_end_list answers what is unclaimed of a list of removed batches. */
void lane_end_list(struct batch *list, int status, int code, const char *why);

/* lane_end_late answers a list of batches that were queued until their
 * deadline, by what they waited for: UNAVAILABLE when the lane has no session.
 */
void lane_end_late(struct lane *l, struct batch *list);

enum rest {
    REST_SLEEP, /* the worker is on the idle list and will be rung */
    REST_WORK,  /* something is queued */
    REST_STOP,  /* nothing is queued, and nothing will be */
};

/* lane_rest says what a worker that found nothing to claim should do. */
enum rest lane_rest(struct lane *l, struct worker *w);

/* lane_wake takes a worker off the idle list if it is still there. */
void lane_wake(struct lane *l, struct worker *w);

/* lane_pass_on rings an idle worker that has a session, if there is one: for
 * one that was rung and has none. */
void lane_pass_on(struct lane *l);

/* lane_stop makes submit refuse and workers end once the queue is empty; the
 * caller rings them. */
void lane_stop(struct lane *l);

#endif
