/* change.h -- the atomic ops on one item, under the lock of its shard: each is
 * as those of ops.h. */
#ifndef SHM_CHANGE_H
#define SHM_CHANGE_H

#include "ops.h"

int change_add(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at,
               struct weir_item *item);
int change_replace(const struct shm *m, const struct hold *h,
                   struct weir_call *call, struct place *at,
                   struct weir_item *item);
int change_cas(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at,
               struct weir_item *item);
int change_incr(const struct shm *m, const struct hold *h,
                struct weir_call *call, struct place *at,
                struct weir_item *item);
int change_append(const struct shm *m, const struct hold *h,
                  struct weir_call *call, struct place *at,
                  struct weir_item *item);
int change_gat(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at,
               struct weir_item *item);
int change_take(const struct shm *m, const struct hold *h,
                struct weir_call *call, struct place *at,
                struct weir_item *item);

#endif
