/* inplace.h -- gets that answer with the bytes in the mapping (pins.h). */
#ifndef SHM_INPLACE_H
#define SHM_INPLACE_H

#include "store.h"

/* inplace_get answers a get of a large value without a copy. 1: answered. 0:
 * it has to be copied. -EUCLEAN. */
int inplace_get(const struct shm *m, const struct hold *h,
                struct weir_call *call, struct weir_item *item,
                struct entry *e);

#endif
