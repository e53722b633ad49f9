/* guard.c -- generations, writers and leases of keys, for processes that keep
 * copies in a store that they share. */
#include <errno.h>

#include "store.h"

int weir_guard(struct weir_store *s, uint32_t verb, struct weir_guard_key *keys,
               uint32_t n)
{
    int rc = store_enter(s, s->connector->guard != NULL);

    if (rc == 0)
        rc = s->connector->guard(s->state, verb, keys, n);
    store_leave(s);
    return rc;
}
