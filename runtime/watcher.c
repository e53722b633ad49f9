/* watcher.c -- the thread of a store in its connector's watch, and what is
 * known of the store's sight. watch.c has the design, and the watches. */
#include "watcher.h"

#include <errno.h>
#include <string.h>

#include "forks.h"
#include "slice.h"
#include "store.h"
#include "thread.h"

/* A server that cannot tell of changes is asked again after a minute. */
#define UNABLE_NS 60000000000u

/* ---- the thread ---- */

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

/* The connector's watch has returned: tells so, the first time in a row also
 * those who never had sight. Returns how long to wait. */
static uint64_t note_failure(struct weir_store *s, struct failure *failure,
                             int rc)
{
    struct watcher *all = &s->watcher;
    uint64_t pause;

    if (failure->error.code == 0)
        weir_error_set(&failure->error, rc, "%s", strerror(-rc));
    failure->error.code = rc;
    pthread_mutex_lock(&all->lock);
    all->failure = *failure;
    all->failures++;
    watcher_tell_all(all, false, all->failures == 1);
    pause =
        rc == -ENOTSUP ? UNABLE_NS : health_backoff(&s->config, all->failures);
    pthread_mutex_unlock(&all->lock);
    return pause;
}

static void *watcher_main(void *arg)
{
    struct weir_store *s = arg;
    struct watcher *all = &s->watcher;
    struct failure failure;
    struct slice watching = {
        .sleeper = &all->sleeper, .failure = &failure, .watcher = all};

    while (!atomic_load(&all->sleeper.interrupted)) {
        int rc;

        failure.error.code = 0;
        rc = s->connector->watch(s->state, &watching.call);
        watching.call.deadline_ns = 0;
        weir_call_wait(&watching.call, -1, 0,
                       note_failure(s, &failure, rc < 0 ? rc : -EIO));
    }
    return NULL;
}

int watcher_start(struct weir_store *s)
{
    struct watcher *all = &s->watcher;
    int rc;

    if (all->stopped || atomic_load(&s->closing))
        return -ESHUTDOWN;
    if (all->started)
        return 0;
    rc = sleeper_init(&all->sleeper, NULL, 0);
    if (rc < 0)
        return rc;
    rc = thread_start(&all->thread, watcher_main, s);
    if (rc < 0)
        sleeper_destroy(&all->sleeper);
    all->started = rc == 0;
    return rc;
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

/* ---- what a host asks ---- */

/* Close waits until inside is 0, so the state stays until then. */
static int ask_connector(struct weir_store *s, struct weir_error *err)
{
    struct weir_error why = {0};
    int rc = 0;

    atomic_fetch_add(&s->inside, 1);
    if (atomic_load(&s->closing))
        rc = weir_error_set(err, -ESHUTDOWN, "%s: closed", s->name);
    else if (s->connector->can_watch != NULL)
        rc = s->connector->can_watch(s->state, &why);
    if (rc < 0 && why.code != 0)
        weir_error_set(err, rc, "%s: %.120s", s->name, why.message);
    atomic_fetch_sub_explicit(&s->inside, 1, memory_order_release);
    return rc;
}

int weir_store_can_watch(struct weir_store *s, struct weir_error *err)
{
    struct weir_error unseen;

    if (err == NULL)
        err = &unseen;
    err->code = 0;
    if (s->connector->watch != NULL)
        return ask_connector(s, err);
    return weir_error_set(
        err, -ENOTSUP, "%s: cannot tell of changes that others make", s->name);
}

int weir_store_sees(struct weir_store *s, struct weir_error *err)
{
    struct watcher *all = &s->watcher;
    struct weir_error unseen;
    bool sees;

    if (err == NULL)
        err = &unseen;
    err->code = 0;
    if (s->forks != forks_seen())
        return 0;
    pthread_mutex_lock(&all->lock);
    sees = all->sees;
    if (!sees && all->failures > 0)
        weir_error_set(err, all->failure.error.code, "%s: %.200s", s->name,
                       all->failure.error.message);
    pthread_mutex_unlock(&all->lock);
    return sees;
}
