/* hold.c -- holding a shard: its lock, and its repair when a process died in
 * it; and keeping an opened store.
 */
#include <errno.h>
#include <stdlib.h>

#include "repair.h"
#include "store.h"

void shm_ref(const struct shm *m)
{
    atomic_fetch_add_explicit(&((struct shm *)m)->refs, 1,
                              memory_order_relaxed);
}

void shm_unref(const struct shm *store)
{
    struct shm *m = (struct shm *)store;

    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (!m->dry)
        map_close(&m->map);
    free(m);
}

int shm_refuse(struct weir_call *call, struct weir_item *item, int rc)
{
    if (rc == -EBUSY)
        return weir_call_fail(call, item, WEIR_BUSY,
                              "another process has held the lock of a shard "
                              "for %d ms",
                              LOCK_PATIENCE_MS);
    if (rc == -ESTALE)
        return weir_call_fail(call, item, WEIR_FAILED,
                              "the file of the mapping was shortened by "
                              "something else; open the store anew");
    if (rc == -ENOSPC)
        return weir_call_fail(call, item, WEIR_BUSY,
                              "no room for a value while so many of the "
                              "shard's are read in place");
    return weir_call_fail(call, item, WEIR_CORRUPT,
                          "something else alters the shared memory");
}

int shm_hold(struct shm *m, uint32_t shard, struct hold *h)
{
    struct shard *s = map_shard(&m->map, shard);
    int rc = 0;

    if (shm_broken(m))
        return -ESTALE;
    if (!lock_try(&s->lock, m->map.seats.holder))
        rc = lock_wait(&s->lock, &m->map.seats);
    if (rc < 0)
        return rc;
    *h = (struct hold){&m->map.layout, m->map.policy, s, &m->map.seats, 0};
    if (s->dirty != 0)
        repair_shard(h);
    h->now_ms = s->expiring > 0 ? shard_now_ms() : 0;
    return 0;
}

void shm_release(struct shm *m, const struct hold *h)
{
    lock_release(&h->s->lock, m->map.seats.holder);
}
