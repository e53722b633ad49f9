/* queue.h -- entries in order of age, and the memory they take. */
#ifndef MEMORY_QUEUE_H
#define MEMORY_QUEUE_H

#include "entry.h"

struct queue {
    struct entry *newest, *oldest;
    uint64_t items;
    uint64_t bytes; /* the sum of the entries' charges */
};

static inline void queue_push(struct queue *q, struct entry *e)
{
    e->older = q->newest;
    e->newer = NULL;
    if (q->newest != NULL)
        q->newest->newer = e;
    else
        q->oldest = e;
    q->newest = e;
    q->items++;
    q->bytes += entry_charge(e);
}

static inline void queue_remove(struct queue *q, struct entry *e)
{
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        q->newest = e->older;
    if (e->older != NULL)
        e->older->newer = e->newer;
    else
        q->oldest = e->newer;
    q->items--;
    q->bytes -= entry_charge(e);
}

/* queue_replace puts an entry in the place of another. */
static inline void queue_replace(struct queue *q, struct entry *old,
                                 struct entry *e)
{
    e->newer = old->newer;
    e->older = old->older;
    if (e->newer != NULL)
        e->newer->older = e;
    else
        q->newest = e;
    if (e->older != NULL)
        e->older->newer = e;
    else
        q->oldest = e;
    q->bytes += entry_charge(e);
    q->bytes -= entry_charge(old);
}

#endif
