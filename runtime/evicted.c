/* evicted.c -- what stores dropped, for hosts that keep it elsewhere. */
#include <errno.h>

#include "forks.h"
#include "store.h"

/* Close waits until inside is 0, so the state stays until store_leave. */
static int store_enter(struct weir_store *s)
{
    int rc = 0;

    atomic_fetch_add(&s->inside, 1);
    if (s->forks != forks_seen())
        rc = -ECHILD;
    else if (atomic_load(&s->closing))
        rc = -ESHUTDOWN;
    else if (s->connector->keep_evicted == NULL)
        rc = -ENOTSUP;
    return rc;
}

static void store_leave(struct weir_store *s)
{
    atomic_fetch_sub_explicit(&s->inside, 1, memory_order_release);
}

int weir_evicted_keep(struct weir_store *s, uint32_t kinds, uint64_t items,
                      uint64_t bytes)
{
    int rc = store_enter(s);

    if (rc == 0)
        s->connector->keep_evicted(s->state, kinds, items, bytes);
    store_leave(s);
    return rc;
}

int weir_evicted_read(struct weir_store *s, struct weir_evicted *out, int max)
{
    int rc = store_enter(s);

    if (rc == 0)
        rc = s->connector->read_evicted(s->state, out, max);
    store_leave(s);
    return rc;
}
