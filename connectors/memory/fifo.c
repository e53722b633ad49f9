/* fifo.c -- evict the entry that was inserted first.
 *
 * The floor that other policies are measured against: a hit changes nothing. */
#include "eviction.h"

static void fifo_insert(struct eviction *ev, struct entry *e)
{
    queue_push(&ev->main, e);
}

static void fifo_hit(struct eviction *ev, struct entry *e)
{
    (void)ev;
    (void)e;
}

static void fifo_replace(struct eviction *ev, struct entry *old,
                         struct entry *e)
{
    queue_replace(&ev->main, old, e);
}

static void fifo_remove(struct eviction *ev, struct entry *e)
{
    queue_remove(&ev->main, e);
}

static struct entry *fifo_victim(struct eviction *ev)
{
    struct entry *e = queue_oldest(&ev->main);

    if (e != NULL)
        queue_remove(&ev->main, e);
    return e;
}

const struct eviction_policy eviction_fifo = {
    .name = "fifo",
    .insert = fifo_insert,
    .hit = fifo_hit,
    .replace = fifo_replace,
    .remove = fifo_remove,
    .victim = fifo_victim,
};
