/* thread.h -- starts threads of a store. */
#ifndef WEIR_REDIS_THREAD_H
#define WEIR_REDIS_THREAD_H

#include <pthread.h>
#include <signal.h>

/* thread_start starts a thread that takes no signals: they are for the host's
 * threads. Returns 0 or a negative errno. */
static inline int thread_start(pthread_t *thread, void *(*run)(void *),
                               void *arg)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

#endif
