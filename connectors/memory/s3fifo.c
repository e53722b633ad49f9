/* s3fifo.c -- most entries are read once: drop those soon, keep the others.
 *
 * J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.
 * New entries enter a small queue that holds a tenth of the bytes. What was hit
 * twice by the time it is the oldest there moves on to the main queue; the rest
 * is dropped and remembered by its hash alone (ghost.c). A key that returns
 * while it is remembered goes straight to the main queue, where an entry is
 * given another round for each of its last hits, of which three count. A hit
 * writes two bits. */
#include "eviction.h"

enum {
    SMALL_SHARE = 10, /* the small queue's part of the bytes is 1 / this */
    HITS_MAX = 3,
    HITS_TO_STAY = 2, /* of an entry in the small queue */
};

static struct queue *s3fifo_queue(struct eviction *ev, const struct entry *e)
{
    return e->is_main ? &ev->main : &ev->small;
}

static void s3fifo_insert(struct eviction *ev, struct entry *e)
{
    e->is_main = ghost_forget(&ev->ghost, e->hash);
    queue_push(s3fifo_queue(ev, e), e);
}

static void s3fifo_hit(struct eviction *ev, struct entry *e)
{
    (void)ev;
    if (e->hits < HITS_MAX)
        e->hits++;
}

static void s3fifo_replace(struct eviction *ev, struct entry *old,
                           struct entry *e)
{
    e->is_main = old->is_main;
    e->hits = old->hits;
    queue_replace(s3fifo_queue(ev, old), old, e);
    s3fifo_hit(ev, e);
}

static void s3fifo_remove(struct eviction *ev, struct entry *e)
{
    queue_remove(s3fifo_queue(ev, e), e);
    ghost_shrink(&ev->ghost, ev->small.items + ev->main.items);
}

/* Put the oldest entry of a queue in as the newest of the main one. */
static void s3fifo_keep(struct eviction *ev, struct entry *e, unsigned hits)
{
    s3fifo_remove(ev, e);
    e->is_main = 1;
    e->hits = hits;
    queue_push(&ev->main, e);
}

static void s3fifo_drop(struct eviction *ev, struct entry *e)
{
    s3fifo_remove(ev, e);
    ghost_grow(&ev->ghost, ev->small.items + ev->main.items);
    if (!e->is_main)
        ghost_add(&ev->ghost, e->hash);
}

static struct entry *s3fifo_victim(struct eviction *ev)
{
    uint64_t share = eviction_bytes(ev) / SMALL_SHARE;
    struct entry *e = NULL;

    for (int looks = 0; looks < EVICTION_LOOKS; looks++) {
        bool small = ev->small.oldest != NULL &&
                     (ev->small.bytes >= share || ev->main.oldest == NULL);

        e = small ? ev->small.oldest : ev->main.oldest;
        if (e == NULL)
            break;
        if (small && e->hits >= HITS_TO_STAY)
            s3fifo_keep(ev, e, 0);
        else if (!small && e->hits > 0)
            s3fifo_keep(ev, e, e->hits - 1);
        else
            break;
    }
    if (e != NULL)
        s3fifo_drop(ev, e);
    return e;
}

const struct eviction_policy eviction_s3fifo = {
    .name = "s3fifo",
    .insert = s3fifo_insert,
    .hit = s3fifo_hit,
    .replace = s3fifo_replace,
    .remove = s3fifo_remove,
    .victim = s3fifo_victim,
};
