/* thread.h -- threads of the runtime. */
#ifndef WEIR_THREAD_H
#define WEIR_THREAD_H

#include <pthread.h>

/* thread_start starts a thread that blocks all signals: they are for the host's
 * threads. Returns 0 or a negative errno. */
int thread_start(pthread_t *thread, void *(*main)(void *), void *arg);

/* thread_cond_init makes a condition whose timed waits use CLOCK_MONOTONIC. */
void thread_cond_init(pthread_cond_t *cond);

#endif
