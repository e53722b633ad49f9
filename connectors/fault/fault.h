/* fault.h -- an opened fault store: a target, and what goes wrong with it. */
#ifndef FAULT_FAULT_H
#define FAULT_FAULT_H

#include <pthread.h>
#include <stdatomic.h>

#include "connector.h"

/* What happens to an item. Their rates add up to at most 1. */
enum fault_kind {
    FAULT_STATUS = 0, /* it is answered with the configured status */
    FAULT_DIE,        /* the session breaks */
    FAULT_HANG,       /* nothing comes until the deadline, or close */
    FAULT_GARBAGE,    /* an answer that no connector may give */
    FAULT_TRUNCATE,   /* a get brings half of the value */
    FAULT_KINDS,
    FAULT_NONE = FAULT_KINDS,
};

struct fault_config {
    const char *target;
    int status; /* of the option's choices */
    const char *rates[FAULT_KINDS];
    bool applied;
    uint64_t delay_ns, jitter_ns;
    int64_t connect_failures;
    const char *connect_rate;
    bool connect_hang;
    int64_t after, count;
    const char *match;
    int64_t seed;
};

enum { FAULT_TURNS = 1 << 16 };

struct fault {
    const struct fault_config *config;
    struct weir_inner *target;
    double rates[FAULT_KINDS];
    double connect_rate;

    _Atomic uint64_t asked;    /* items that could have been hit */
    _Atomic uint64_t injected; /* those that were */
    _Atomic uint64_t connects;
    _Atomic uint64_t calls;

    /* How often a key was asked for, by its hash. */
    _Atomic uint32_t turns[FAULT_TURNS];

    pthread_mutex_t lock; /* guards the inner pointer of each session */
};

struct fault_session {
    struct fault *_Atomic fault; /* NULL until connected */
    void *inner;                 /* the target's session; under fault->lock */
};

/* fault_rate reads a share of 0 to 1, "0.1"; NULL is 0. -EINVAL. */
int fault_rate(const char *words, const char *option, double *out,
               struct weir_error *err);

/* fault_roll says what happens to an item: the same for the same seed, key, op
 * and count of times that the key was asked for. */
enum fault_kind fault_roll(struct fault *f, uint32_t op,
                           const struct weir_item *item);

/* fault_chance draws for what has no key, by a number that counts it. */
double fault_chance(const struct fault *f, uint64_t number);

/* fault_run is the connector's run. */
int fault_run(void *session, struct weir_call *call);

#endif
