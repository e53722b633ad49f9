/* reaper.h -- a thread that ends queued batches at their deadline. */
#ifndef WEIR_REAPER_H
#define WEIR_REAPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct reaper {
    pthread_t thread;
    bool started;
    /* Ends the batches that are late, and returns the earliest deadline of the
     * others; UINT64_MAX = none. Called on the thread, without the lock. */
    uint64_t (*reap)(void *arg, uint64_t now);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t changed;   /* next_ns came closer, or stop */
    _Atomic uint64_t next_ns; /* under lock: when it reaps next */
    bool stop;                /* under lock */
};

void reaper_init(struct reaper *r, uint64_t (*reap)(void *arg, uint64_t now),
                 void *arg);

/* reaper_destroy comes after reaper_stop, when no thread submits any more. */
void reaper_destroy(struct reaper *r);

/* reaper_start makes the thread. Returns 0 or a negative errno. */
int reaper_start(struct reaper *r);

/* reaper_expect makes sure that it reaps at deadline_ns. It may be called after
 * reaper_stop: one thread submits while another closes the store. */
void reaper_expect(struct reaper *r, uint64_t deadline_ns);

/* reaper_stop ends and joins the thread. */
void reaper_stop(struct reaper *r);

#endif
