/* ops.h -- the operations on one item, under the lock of its shard. */
#ifndef SHM_OPS_H
#define SHM_OPS_H

#include "store.h"

/* An item on its way. */
struct place {
    uint32_t shard;
    struct shard_key key;
    uint64_t sum; /* of a set: that of its value */
};

/* ops_do does call->op to one item and answers it. -EUCLEAN: the shard is
 * damaged, and the item as it was. */
int ops_do(const struct shm *m, const struct hold *h, struct weir_call *call,
           struct place *at, struct weir_item *item);

/* ops_sum computes at->sum, without the lock. False: the memory was lent and
 * has been taken back; the item is answered. */
bool ops_sum(struct weir_call *call, struct place *at, struct weir_item *item);

#endif
