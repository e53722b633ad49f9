/* event.c -- the buffers of watches, and what connectors tell. The design is at
 * the head of watch.c. */
#include "event.h"

#include <stdlib.h>
#include <string.h>

#include "cq.h"
#include "finish.h"
#include "slice.h"
#include "store.h"
#include "watcher.h"

/* The bound of a buffer. */
enum { EVENTS_MAX = 16384, EVENTS_BYTES = 1 << 20 };

bool events_fit(struct events *e, size_t more)
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
    struct event_head head = {kind, key_len};

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

void event_tell_sight(struct weir_watch *w, bool sees)
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
        event_tell_sight(w, false);
        event_tell_sight(w, true);
    }
}

/* ---- a connector tells ---- */

void event_tell_all(struct watcher *all, bool sees, bool again)
{
    all->sees = sees;
    if (sees)
        all->failures = 0;
    for (struct weir_watch *w = all->watches; w != NULL; w = w->next) {
        if (again || w->sees != sees)
            event_tell_sight(w, sees);
    }
}

void weir_tell_lost(struct weir_call *call)
{
    struct watcher *all = slice_of(call)->watcher;

    pthread_mutex_lock(&all->lock);
    event_tell_all(all, false, false);
    pthread_mutex_unlock(&all->lock);
}

void weir_tell_regained(struct weir_call *call)
{
    struct watcher *all = slice_of(call)->watcher;

    pthread_mutex_lock(&all->lock);
    event_tell_all(all, true, false);
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
