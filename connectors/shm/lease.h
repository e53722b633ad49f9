/* lease.h -- who loads a key, so that one process of a machine does.
 *
 * A shard has a table of leases, as many as cells. A key has its lease in one
 * of LEASE_PLACES places, found by its hash. A lease ends when its process
 * settles it, when its time is up, or when its process has died; then the next
 * one who asks gets it. An ended lease says how the load ended, for those who
 * wait for it, until somebody needs its place. When all places of a key are
 * held, the key is loaded without a lease: more than one process may load it
 * then, at the same time. */
#ifndef SHM_LEASE_H
#define SHM_LEASE_H

#include "store.h"

enum { LEASE_PLACES = 8 };

struct place;
struct weir_guard_key;

/* The verbs of weir_guard of the same names; under the lock of the shard. */
void lease_take(struct shm *m, const struct hold *h, const struct place *at,
                struct weir_guard_key *key);
void lease_watch(struct shm *m, const struct hold *h, const struct place *at,
                 struct weir_guard_key *key);
void lease_settle(struct shm *m, const struct hold *h, const struct place *at,
                  struct weir_guard_key *key);

#endif
