/* queue.h -- entries in order of age, and the memory they take. */
#ifndef MEMORY_QUEUE_H
#define MEMORY_QUEUE_H

#include "entry.h"

struct queue {
    uint64_t newest, oldest; /* links */
    uint64_t items;
    uint64_t bytes; /* the sum of the entries' charges */
};

static inline struct entry *queue_newest(const struct queue *q)
{
    return link_at(q, q->newest);
}

static inline struct entry *queue_oldest(const struct queue *q)
{
    return link_at(q, q->oldest);
}

/* Makes e the neighbour of `newer` and `older`, either of which may be NULL. */
static inline void queue_join(struct queue *q, struct entry *newer,
                              struct entry *e, struct entry *older)
{
    e->newer = link_to(newer);
    e->older = link_to(older);
    if (newer != NULL)
        newer->older = link_to(e);
    else
        q->newest = link_to(e);
    if (older != NULL)
        older->newer = link_to(e);
    else
        q->oldest = link_to(e);
}

static inline void queue_push(struct queue *q, struct entry *e)
{
    queue_join(q, NULL, e, queue_newest(q));
    q->items++;
    q->bytes += entry_charge(e);
}

static inline void queue_unlink(struct queue *q, struct entry *e)
{
    struct entry *newer = entry_newer(e), *older = entry_older(e);

    if (newer != NULL)
        newer->older = e->older;
    else
        q->newest = e->older;
    if (older != NULL)
        older->newer = e->newer;
    else
        q->oldest = e->newer;
}

static inline void queue_remove(struct queue *q, struct entry *e)
{
    queue_unlink(q, e);
    q->items--;
    q->bytes -= entry_charge(e);
}

/* queue_renew makes an entry of the queue its newest one. */
static inline void queue_renew(struct queue *q, struct entry *e)
{
    queue_unlink(q, e);
    queue_join(q, NULL, e, queue_newest(q));
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
