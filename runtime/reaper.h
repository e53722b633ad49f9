/* reaper.h -- the thread that ends queued batches at their deadline. */
#ifndef WEIR_REAPER_H
#define WEIR_REAPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct weir_store;

struct reaper {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;   /* next_ns came closer, or stop */
    _Atomic uint64_t next_ns; /* under lock; when it will look again */
    bool stop;                /* under lock */
};

/* reaper_init prepares, reaper_destroy ends that once nobody submits. */
void reaper_init(struct reaper *r);
void reaper_destroy(struct reaper *r);

/* reaper_start makes the thread; a negative errno. */
int reaper_start(struct weir_store *s);

/* reaper_expect makes sure that it looks at deadline_ns. Also after the end:
 * a submitter may come to it while another thread closes the store. */
void reaper_expect(struct reaper *r, uint64_t deadline_ns);

/* reaper_stop ends and joins the thread. */
void reaper_stop(struct reaper *r);

#endif
