/* get.h -- the gets of a group of items. */
#ifndef MEMORY_GET_H
#define MEMORY_GET_H

#include "store.h"

/* memory_get answers the gets of up to MEMORY_GROUP items. It clears the
 * places. */
void memory_get(struct weir_call *call, struct place *places,
                struct weir_item *items, uint32_t n);

#endif
