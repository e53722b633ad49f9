/* evicted.c -- what stores dropped, for hosts that keep it elsewhere. */
#include <errno.h>

#include "store.h"

int weir_evicted_keep(struct weir_store *s, uint32_t kinds, uint64_t items,
                      uint64_t bytes)
{
    int rc = store_enter(s, s->connector->keep_evicted != NULL);

    if (rc == 0)
        s->connector->keep_evicted(s->state, kinds, items, bytes);
    store_leave(s);
    return rc;
}

int weir_evicted_ages(struct weir_store *s, struct weir_evicted_ages *out)
{
    int rc = store_enter(s, s->connector->evicted_ages != NULL);

    if (rc == 0)
        rc = s->connector->evicted_ages(s->state, out);
    store_leave(s);
    return rc;
}

int weir_evicted_read(struct weir_store *s, struct weir_evicted *out, int max)
{
    int rc = store_enter(s, s->connector->keep_evicted != NULL);

    if (rc == 0)
        rc = s->connector->read_evicted(s->state, out, max);
    store_leave(s);
    return rc;
}
