/* lru.c -- evict the entry whose last hit is the oldest.
 *
 * Every hit moves the entry to the front of one queue. */
#include "eviction.h"

static void lru_insert(struct eviction *ev, struct entry *e)
{
    queue_push(&ev->main, e);
}

static void lru_hit(struct eviction *ev, struct entry *e)
{
    if (queue_newest(&ev->main) != e)
        queue_renew(&ev->main, e);
}

static void lru_remove(struct eviction *ev, struct entry *e)
{
    queue_remove(&ev->main, e);
}

static void lru_replace(struct eviction *ev, struct entry *old, struct entry *e)
{
    queue_remove(&ev->main, old);
    queue_push(&ev->main, e);
}

static struct entry *lru_victim(struct eviction *ev)
{
    struct entry *e = queue_oldest(&ev->main);

    if (e != NULL)
        queue_remove(&ev->main, e);
    return e;
}

const struct eviction_policy eviction_lru = {
    .name = "lru",
    .insert = lru_insert,
    .hit = lru_hit,
    .replace = lru_replace,
    .remove = lru_remove,
    .victim = lru_victim,
};
