/* state.h -- an opened fault store: a target, and the faults it injects. */
#ifndef FAULT_STATE_H
#define FAULT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "connector.h"
#include "tell.h"

/* The fault that an item meets. The rates of all kinds add up to at most 1. */
enum fault_kind {
    FAULT_STATUS = 0, /* it is answered with the configured status */
    FAULT_DIE,        /* the session breaks */
    FAULT_HANG,       /* no reply until the deadline, or close */
    FAULT_GARBAGE,    /* a reply that no connector may give */
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
    bool events;
};

enum { FAULT_TURNS = 1 << 16 };

struct fault {
    const struct fault_config *config;
    struct weir_inner *target;
    double rates[FAULT_KINDS];
    double connect_rate;

    _Atomic uint64_t matched;  /* items that match= selects */
    _Atomic uint64_t injected; /* those that met a fault */
    _Atomic uint64_t connects;
    _Atomic uint64_t calls;

    /* How many items had a key, by the hash of op and key. */
    _Atomic uint32_t turns[FAULT_TURNS];

    struct tell tell;

    pthread_mutex_t turn; /* of the worker that runs a target with one_worker */
    pthread_mutex_t lock; /* guards the inner pointer of each session */
};

struct fault_session {
    struct fault *_Atomic fault; /* NULL until connected */
    void *inner;                 /* the target's session; under fault->lock */
};

#endif
