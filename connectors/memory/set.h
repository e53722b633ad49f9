/* set.h -- sets: what is done before the shard's lock, and with it; and touch.
 */
#ifndef MEMORY_SET_H
#define MEMORY_SET_H

#include "store.h"

/* set_prepare makes the entry of an item. False: it has answered the item. */
bool set_prepare(const struct memory *m, struct place *at,
                 struct weir_call *call, struct weir_item *item);

/* set_locked puts the entry of an item in, and answers it. */
void set_locked(struct turn *t, struct place *at, struct weir_item *item);

/* set_expires returns when a value ends that is set now; 0 = never. */
uint64_t set_expires(uint64_t ttl_ms);

/* touch_locked gives an entry another time to live, and answers the item. */
void touch_locked(struct turn *t, struct place *at, struct weir_item *item);

#endif
