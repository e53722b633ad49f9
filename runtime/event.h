/* event.h -- the watches of a store and their buffers of events. The design is
 * at the head of watch.c. These functions run under the watcher's lock, or
 * on a watch that no other thread knows yet. */
#ifndef WEIR_EVENT_H
#define WEIR_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "batch.h"

struct watcher;

/* Events stand one after the other: this head, then the key. */
struct event_head {
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

/* events_fit makes room for so many bytes more. false: the buffer is full. */
bool events_fit(struct events *e, size_t more);

/* event_tell_sight tells one watch whether changes are noticed. It always has
 * room: a buffer is made with room for a loss and a regain, and a loss empties
 * it. */
void event_tell_sight(struct weir_watch *w, bool sees);

/* event_tell_all tells the watches of a store whether changes are noticed.
 * again: also those that have been told so. */
void event_tell_all(struct watcher *w, bool sees, bool again);

#endif
