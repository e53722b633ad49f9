/* watch.c -- the events of stores: what others changed, and whether that can be
 * seen. The thread that calls the connector is in watcher.c.
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
#include "finish.h"
#include "forks.h"
#include "slice.h"
#include "store.h"
#include "watcher.h"

/* The bound of a buffer. */
enum { EVENTS_MAX = 16384, EVENTS_BYTES = 1 << 20 };

/* Events one after the other: this head, then the key. */
struct head {
    uint32_t kind, key_len;
};

struct events {
    char *bytes;
    size_t size, cap;
    uint32_t n;
};

struct weir_watch {
    struct weir_store *store;
    struct weir_cq *cq;
    struct batch *batch;

    /* Under the watcher's lock. */
    struct weir_watch *next;
    struct events fresh;
    bool sees;      /* what the events so far say */
    bool announced; /* the host was or will be told to read */

    /* The host's. */
    struct events read;
    size_t at; /* of the next event in it */
};

/* ---- the buffer of a watch; all under the watcher's lock ---- */

static bool events_fit(struct events *e, size_t more)
{
    size_t cap = e->cap > 0 ? e->cap : 1024;
    char *bytes;

    if (e->n >= EVENTS_MAX || e->size + more > EVENTS_BYTES)
        return false;
    while (cap < e->size + more)
        cap *= 2;
    if (cap == e->cap)
        return true;
    bytes = realloc(e->bytes, cap);
    if (bytes == NULL)
        return false;
    e->bytes = bytes;
    e->cap = cap;
    return true;
}

/* false: the buffer is full. */
static bool events_add(struct events *e, uint32_t kind, const char *key,
                       uint32_t key_len)
{
    struct head head = {kind, key_len};

    if (!events_fit(e, sizeof head + key_len))
        return false;
    memcpy(e->bytes + e->size, &head, sizeof head);
    if (key_len > 0)
        memcpy(e->bytes + e->size + sizeof head, key, key_len);
    e->size += sizeof head + key_len;
    e->n++;
    return true;
}

/* Sends the batch, unless the host has yet to read. If the batch is still in
 * the queue, the host reads after it has drained it. */
static void announce(struct weir_watch *w)
{
    struct batch *b = w->batch;

    if (w->announced)
        return;
    w->announced = true;
    if (batch_accept(b) < 0)
        return;
    b->store = w->store;
    b->cq = w->cq;
    store_ref(w->store);
    cq_expect(w->cq);
    finish_push(b);
}

/* Always fits: a buffer has room for these two from the start, and is empty
 * when sight is regained but for its loss. */
static void tell_sight(struct weir_watch *w, bool sees)
{
    if (!sees)
        w->fresh.size = w->fresh.n = 0;
    w->sees = sees;
    events_add(&w->fresh, sees ? WEIR_EVENT_REGAINED : WEIR_EVENT_LOST, NULL,
               0);
    announce(w);
}

static void tell_change(struct weir_watch *w, const char *key, uint32_t key_len)
{
    if (!w->sees)
        return;
    if (events_add(&w->fresh, WEIR_EVENT_CHANGED, key, key_len)) {
        announce(w);
    } else {
        tell_sight(w, false);
        tell_sight(w, true);
    }
}

/* ---- a connector tells ---- */

void watcher_tell_all(struct watcher *all, bool sees, bool again)
{
    all->sees = sees;
    if (sees)
        all->failures = 0;
    for (struct weir_watch *w = all->watches; w != NULL; w = w->next) {
        if (again || w->sees != sees)
            tell_sight(w, sees);
    }
}

void weir_tell_lost(struct weir_call *call)
{
    struct watcher *all = slice_of(call)->watcher;

    pthread_mutex_lock(&all->lock);
    watcher_tell_all(all, false, false);
    pthread_mutex_unlock(&all->lock);
}

void weir_tell_regained(struct weir_call *call)
{
    struct watcher *all = slice_of(call)->watcher;

    pthread_mutex_lock(&all->lock);
    watcher_tell_all(all, true, false);
    pthread_mutex_unlock(&all->lock);
}

void weir_tell_changed(struct weir_call *call, const char *key,
                       uint32_t key_len)
{
    struct watcher *all = slice_of(call)->watcher;

    pthread_mutex_lock(&all->lock);
    for (struct weir_watch *w = all->watches; w != NULL; w = w->next)
        tell_change(w, key, key_len);
    pthread_mutex_unlock(&all->lock);
}

/* ---- the host's side ---- */

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
            tell_sight(w, all->sees);
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
        struct head head;

        memcpy(&head, at, sizeof head);
        out[n] = (struct weir_event){.key = at + sizeof head,
                                     .key_len = head.key_len,
                                     .kind = head.kind};
        w->at += sizeof head + head.key_len;
    }
    return n;
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
