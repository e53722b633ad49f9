/* tidy.c -- see tidy.h.
 *
 * While it has much to move, a heap has at most a fifth of its memory free: to
 * look at 16 blocks of a run that is full by 7/8 frees the room of two. When it
 * has moved all, an eighth and a mebibyte, or less than a run for each size. */
#include "tidy.h"

enum {
    TIDY_BLOCKS = 16,      /* to look at for each entry that was removed */
    TIDY_BLOCKS_MAX = 256, /* in one call: some 100 us */
};

/* An entry that another thread makes or frees, and one in the queue of evicted
 * ones, stays where it is. */
static void tidy_block(struct shard *s, struct entry *e)
{
    struct entry *to;
    size_t bytes;

    if (!table_holds(&s->table, e, entry_peek_hash(e)))
        return;
    bytes = entry_bytes(e);
    to = heap_take_other(s->heap, bytes);
    if (to == NULL)
        return;
    memcpy(to, e, bytes);
    eviction_move(&s->eviction, e, to);
    table_replace(&s->table, e, to);
    heap_give(s->heap->pool, e);
}

void tidy_run(struct shard *s)
{
    uint32_t blocks = TIDY_BLOCKS_MAX;

    if (s->removed < TIDY_BLOCKS_MAX / TIDY_BLOCKS)
        blocks = s->removed * TIDY_BLOCKS;
    s->removed = 0;
    if (!heap_loose(s->heap))
        return;
    for (; blocks > 0; blocks--) {
        struct entry *e = heap_next(s->heap);

        if (e == NULL)
            return;
        tidy_block(s, e);
    }
}
