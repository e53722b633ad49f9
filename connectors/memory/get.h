/* get.h -- gets: what is done with the shard's lock, and after it. */
#ifndef MEMORY_GET_H
#define MEMORY_GET_H

#include "store.h"

/* get_fetch loads the value of an entry whose first 128 bytes have been loaded.
 */
void get_fetch(struct entry *e, const struct weir_item *item);

/* get_locked answers an item, or leaves the value in its place. */
void get_locked(struct turn *t, struct place *at, struct weir_item *item);

/* get_answer answers an item whose value is in its place. */
void get_answer(struct weir_call *call, struct place *at,
                struct weir_item *item);

#endif
