/* watcher.h -- what a store keeps of those that watch it; watch.c says how. */
#ifndef WEIR_WATCHER_H
#define WEIR_WATCHER_H

#include <pthread.h>
#include <stdbool.h>

#include "health.h"
#include "sleep.h"

/* The watches of a store, and the thread in its connector's watch. */
struct watcher {
    pthread_t thread;       /* if started */
    struct sleeper sleeper; /* the thread's */

    pthread_mutex_t lock; /* guards what follows, and the events of each watch;
                             see watch.c for the order of locks */
    struct weir_watch *watches;
    bool started, stopped;
    bool sees;              /* changes are noticed now */
    uint32_t failures;      /* attempts without sight, in a row */
    struct failure failure; /* why it does not see */
};

void watcher_init(struct watcher *w);
void watcher_destroy(struct watcher *w);

/* watcher_stop ends the thread and makes weir_watch_new refuse. The watches
 * lose sight. Called once. */
void watcher_stop(struct watcher *w);

#endif
