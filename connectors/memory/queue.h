/* queue.h -- entries in order of age, and the memory they take. */
#ifndef MEMORY_QUEUE_H
#define MEMORY_QUEUE_H

#include "entry.h"

struct queue {
    struct entry *newest, *oldest;
    uint64_t items;
    uint64_t bytes; /* the sum of the entries' charges */
};

/* Makes e the neighbour of `newer` and `older`, either of which may be NULL. */
static inline void queue_join(struct queue *q, struct entry *newer,
                              struct entry *e, struct entry *older)
{
    e->newer = entry_link(newer);
    e->older = entry_link(older);
    if (newer != NULL)
        newer->older = entry_link(e);
    else
        q->newest = e;
    if (older != NULL)
        older->newer = entry_link(e);
    else
        q->oldest = e;
}

static inline void queue_push(struct queue *q, struct entry *e)
{
    queue_join(q, NULL, e, q->newest);
    q->items++;
    q->bytes += entry_charge(e);
}

static inline void queue_remove(struct queue *q, struct entry *e)
{
    struct entry *newer = entry_newer(e), *older = entry_older(e);

    if (newer != NULL)
        newer->older = e->older;
    else
        q->newest = older;
    if (older != NULL)
        older->newer = e->newer;
    else
        q->oldest = newer;
    q->items--;
    q->bytes -= entry_charge(e);
}

/* queue_replace puts an entry in the place of another. */
static inline void queue_replace(struct queue *q, struct entry *old,
                                 struct entry *e)
{
    queue_join(q, entry_newer(old), e, entry_older(old));
    q->bytes += entry_charge(e);
    q->bytes -= entry_charge(old);
}

#endif
