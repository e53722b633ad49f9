/* lane.h -- a bounded queue of batches, shared by the workers that empty it. */
#ifndef WEIR_LANE_H
#define WEIR_LANE_H

#include "batch.h"
#include "health.h"
#include "sleep.h"
#include "store_options.h"

/* The part of a batch that a worker claimed. */
struct claim {
    struct batch *batch;
    uint32_t first;
    uint32_t n;
    uint64_t bytes;
};

struct lane {
    uint32_t ops; /* a bit (1 << op) each */
    uint32_t n_workers;
    const struct store_config *config;
    struct weir_slice slice; /* the bound of a claim */
    struct health health;
    _Atomic uint64_t get_size; /* a running mean: stands in for the size of a
                                  value that a get has not read yet */

    struct sleepers sleepers;  /* its lock guards what follows */
    struct batch *head, *tail; /* batches with unclaimed items */
    uint64_t items, bytes;     /* of what is unclaimed */
};

void lane_init(struct lane *l, const struct store_config *config,
               const struct weir_slice *slice);
void lane_destroy(struct lane *l);

/* lane_weigh returns the bytes that a batch counts in the bounds. */
uint64_t lane_weigh(const struct lane *l, const struct batch *b);

/* lane_learn_size moves the mean after some gets brought bytes in values. */
void lane_learn_size(struct lane *l, uint64_t bytes, uint32_t values);

/* lane_push queues a batch and wakes as many sleeping workers as it has slices.
 * -EAGAIN: full. -ESHUTDOWN: stopping. */
int lane_push(struct lane *l, struct batch *b);

/* lane_fill returns what share of its bounds the queue takes up. */
double lane_fill(struct lane *l);

/* lane_remove takes a batch out of the queue. false: all of it is claimed. */
bool lane_remove(struct lane *l, struct batch *b);

/* lane_claim claims the next items of the oldest batch for a worker. false: the
 * queue is empty. Batches past their deadline go to the list *late. */
bool lane_claim(struct lane *l, struct sleeper *worker, struct claim *out,
                struct batch **late);

/* lane_take_late moves the batches past their deadline to the list *late, and
 * returns the earliest deadline of those that stay (UINT64_MAX: none). */
uint64_t lane_take_late(struct lane *l, uint64_t now, struct batch **late);

/* lane_take_all empties the queue into a list. */
struct batch *lane_take_all(struct lane *l);

/* lane_stop makes lane_push refuse, and workers end when the queue is empty.
 * The caller wakes them. */
void lane_stop(struct lane *l);

#endif
