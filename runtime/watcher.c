/* watcher.c -- the beginning and the end of what a store keeps of its watches.
 */
#include "watcher.h"

#include "thread.h"

void watcher_init(struct watcher *all)
{
    pthread_mutex_init(&all->lock, NULL);
}

void watcher_destroy(struct watcher *all)
{
    if (all->started)
        sleeper_destroy(&all->sleeper);
    pthread_mutex_destroy(&all->lock);
}

void watcher_stop(struct watcher *all)
{
    bool started;

    pthread_mutex_lock(&all->lock);
    all->stopped = true;
    started = all->started;
    pthread_mutex_unlock(&all->lock);
    if (!started)
        return;
    sleeper_interrupt(&all->sleeper);
    pthread_join(all->thread, NULL);
}
