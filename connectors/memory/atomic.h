/* atomic.h -- the ops whose result depends on the value that is there. */
#ifndef MEMORY_ATOMIC_H
#define MEMORY_ATOMIC_H

#include "store.h"

/* gat_locked and take_locked answer like get_locked (get.h). */
void gat_locked(struct turn *t, struct place *at, struct weir_item *item);
void take_locked(struct turn *t, struct place *at, struct weir_item *item);

/* change_run does add, replace, incr, append or cas on one item. It takes the
 * lock of the item's shard. */
void change_run(struct memory *m, struct weir_call *call, struct place *at,
                struct weir_item *item);

#endif
