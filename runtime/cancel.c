/* cancel.c -- a host gives up on a batch: cancels, abandons or frees it. */
#include <errno.h>
#include <sched.h>

#include "finish.h"
#include "forks.h"

/* Whether the runtime has the batch and ends it: not in a forked child, which
 * has no workers. */
static bool in_flight(const struct batch *b)
{
    return atomic_load_explicit(&b->owner, memory_order_acquire) ==
               OWNER_RUNTIME &&
           b->forks == forks_seen();
}

void weir_batch_cancel(struct weir_batch *pub)
{
    struct batch *b = batch_of(pub);

    if (!in_flight(b))
        return;
    atomic_store(&b->cancelled, true);
    if (b->lane == NULL || !lane_remove(b->lane, b))
        return;
    if (b->deadline_ns != 0 && weir_now() >= b->deadline_ns) {
        b->next = NULL;
        finish_late(b);
    } else {
        finish_rest(b, WEIR_SKIPPED, -ECANCELED, "cancelled");
    }
}

void weir_batch_abandon(struct weir_batch *pub)
{
    struct batch *b = batch_of(pub);

    if (!in_flight(b))
        return;
    atomic_fetch_or(&b->lends, LENDS_ABANDONED);
    while (atomic_load(&b->lends) != LENDS_ABANDONED)
        sched_yield();
}

void weir_batch_free(struct weir_batch *pub)
{
    struct batch *b = batch_of(pub);

    if (b == NULL)
        return;
    if (!batch_is_free(b)) {
        if (b->forks != forks_seen())
            return;
        weir_batch_cancel(pub);
        weir_batch_abandon(pub);
        if (batch_disown(b))
            return;
    }
    batch_destroy(b);
}
