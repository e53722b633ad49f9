/* watch.c -- the events of stores: what others changed, and whether that can be
 * seen. The buffers of watches, which connectors fill, are in event.c.
 *
 * DESIGN
 * A host that keeps copies of values makes a watch (weir_watch_new). The first
 * watch of a store starts a thread, which calls the connector's watch until the
 * store closes. The connector tells of changed keys, and of sight: whether
 * every change comes to its notice. When watch returns, sight is lost, and the
 * thread calls it again after a backoff. There is one such thread for a store,
 * however many watches it has.
 *
 * Each watch has a buffer of events. The first event in an empty buffer sends
 * the batch of the watch through the host's completion queue. So events ring
 * the same bell as completions, and the queue holds at most one batch for each
 * watch. The host reads the events until there are none (weir_watch_read). Only
 * that read lets the next event send the batch again, under the lock, so no
 * event is forgotten.
 *
 * The buffer has a bound. Events over it are replaced by two: sight was lost,
 * and regained. The same two tell that all keys have changed. A host must treat
 * all its copies as suspect after them, so the earlier events say nothing more.
 * For the same reason a loss of sight drops the events before it.
 *
 * Locks. The watcher's lock guards the list of watches and all buffers. The
 * lock of a completion queue may be taken while it is held, never the reverse.
 *
 * Teardown. weir_close interrupts the thread and joins it before it closes the
 * connector. A watch holds references on its store and its queue, so all three
 * may be freed in any order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cq.h"
#include "event.h"
#include "forks.h"
#include "slice.h"
#include "store.h"
#include "thread.h"
#include "watcher.h"

/* A server that cannot tell of changes is asked again after a minute. */
#define UNABLE_NS 60000000000u

/* ---- the thread ---- */

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
    event_tell_all(all, false, all->failures == 1);
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

/* Under lock. */
static int watcher_start(struct weir_store *s)
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

/* ---- the host's side ---- */

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

static void watch_destroy(struct weir_watch *w)
{
    if (w->batch != NULL)
        weir_batch_free(&w->batch->pub);
    free(w->fresh.bytes);
    free(w->read.bytes);
    free(w);
}

static struct weir_watch *watch_make(struct weir_store *s, struct weir_cq *cq,
                                     uint64_t tag)
{
    struct weir_watch *w = calloc(1, sizeof *w);
    struct weir_batch *b = weir_batch_new(0);

    if (w == NULL || b == NULL || !events_fit(&w->fresh, 1) ||
        !events_fit(&w->read, 1)) {
        weir_batch_free(b);
        if (w != NULL)
            watch_destroy(w);
        return NULL;
    }
    w->store = s;
    w->cq = cq;
    w->batch = batch_of(b);
    b->tag = tag;
    return w;
}

static int watch_join(struct weir_watch *w)
{
    struct watcher *all = &w->store->watcher;
    int rc;

    pthread_mutex_lock(&all->lock);
    rc = watcher_start(w->store);
    if (rc == 0) {
        store_ref(w->store);
        cq_ref(w->cq);
        w->next = all->watches;
        all->watches = w;
        if (all->sees || all->failures > 0)
            event_tell_sight(w, all->sees);
    }
    pthread_mutex_unlock(&all->lock);
    return rc;
}

int weir_watch_new(struct weir_watch **out, struct weir_store *s,
                   struct weir_cq *cq, uint64_t tag, struct weir_error *err)
{
    struct weir_error unseen;
    struct weir_watch *w;
    int rc;

    if (err == NULL)
        err = &unseen;
    *out = NULL;
    if (s->forks != forks_seen() || !cq_is_own(cq))
        return weir_error_set(err, -ECHILD, "%s: opened before a fork",
                              s->name);
    rc = weir_store_can_watch(s, err);
    if (rc < 0)
        return rc;
    w = watch_make(s, cq, tag);
    rc = w != NULL ? watch_join(w) : -ENOMEM;
    if (rc == 0) {
        *out = w;
        return 0;
    }
    if (w != NULL)
        watch_destroy(w);
    return weir_error_set(err, rc, "%s: cannot watch: %s", s->name,
                          rc == -ESHUTDOWN ? "closed" : strerror(-rc));
}

/* Makes the fresh events those to read. false: there are none, so the next one
 * is announced. */
static bool watch_turn(struct weir_watch *w)
{
    struct watcher *all = &w->store->watcher;
    struct events old = w->read;
    bool any;

    pthread_mutex_lock(&all->lock);
    any = w->fresh.size > 0;
    if (any) {
        w->read = w->fresh;
        old.size = old.n = 0;
        w->fresh = old;
        w->at = 0;
    } else {
        w->announced = false;
    }
    pthread_mutex_unlock(&all->lock);
    return any;
}

int weir_watch_read(struct weir_watch *w, struct weir_event *out, int max)
{
    int n = 0;

    if (w->store->forks != forks_seen())
        return 0;
    if (w->at == w->read.size && !watch_turn(w))
        return 0;
    for (; n < max && w->at < w->read.size; n++) {
        const char *at = w->read.bytes + w->at;
        struct event_head head;

        memcpy(&head, at, sizeof head);
        out[n] = (struct weir_event){.key = at + sizeof head,
                                     .key_len = head.key_len,
                                     .kind = head.kind};
        w->at += sizeof head + head.key_len;
    }
    return n;
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

static void watch_leave(struct weir_watch *w)
{
    struct watcher *all = &w->store->watcher;
    struct weir_watch **at = &all->watches;

    pthread_mutex_lock(&all->lock);
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    pthread_mutex_unlock(&all->lock);
}

void weir_watch_free(struct weir_watch *w)
{
    struct weir_store *store;
    struct weir_cq *cq;

    if (w == NULL || w->store->forks != forks_seen())
        return;
    store = w->store;
    cq = w->cq;
    watch_leave(w);
    watch_destroy(w);
    cq_unref(cq);
    store_unref(store);
}
