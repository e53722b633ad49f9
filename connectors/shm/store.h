/* store.h -- an opened shm store. */
#ifndef SHM_STORE_H
#define SHM_STORE_H

#include "cell.h"
#include "map.h"

struct shm_config {
    const char *name;
    const char *path;
    bool create;
    bool destroy;
    uint64_t capacity;
    int eviction; /* 0 = auto */
    int64_t shards;
    uint64_t ttl_ns;
    int verify;
    bool huge_pages;
    bool sigbus;
    const char *mode;
};

enum { SHM_VERIFY_REPAIRED, SHM_VERIFY_ALWAYS };

struct shm {
    const struct shm_config *config; /* until the store is closed */
    _Atomic uint32_t refs;   /* the store's own, and one for each value that is
                                read in place */
    uint64_t default_ttl_ms; /* 0 = none */
    bool dry;                /* opened to be checked only: there is no map */
    char path[512];
    struct map map;
    struct guard guard;
};

/* Keeps a store, which may be const to the caller: what these change is the
 * count. The last shm_unref gives the mapping back. */
void shm_ref(const struct shm *m);
void shm_unref(const struct shm *m);

/* shm_hold acquires the lock of a shard, and repairs the shard if a process
 * died while it changed it. -EBUSY: a living process does not release it.
 * -ESTALE: the mapping is broken. */
int shm_hold(struct shm *m, uint32_t shard, struct hold *h);

/* shm_release releases the lock. */
void shm_release(struct shm *m, const struct hold *h);

/* shm_broken says that pages of the mapping were missing. What was read since
 * may be wrong. */
static inline bool shm_broken(const struct shm *m)
{
    return sigbus_broken(m->map.sigbus);
}

/* shm_refuse answers an item (NULL: all pending ones) after -EBUSY, -ESTALE or
 * -ENOSPC; or -EUCLEAN: a shard was found damaged again right after its repair.
 */
int shm_refuse(struct weir_call *call, struct weir_item *item, int rc);

int shm_run(void *session, struct weir_call *call);

/* shm_scan answers a scan's item with one page of keys. */
void shm_scan(struct shm *m, struct weir_call *call, struct weir_item *item);

#endif
