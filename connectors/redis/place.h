/* place.h -- tells which node of a cluster a key is on. */
#ifndef WEIR_REDIS_PLACE_H
#define WEIR_REDIS_PLACE_H

#include "cluster_state.h"

/* place_ask is the slot ask of the vtable, for a cluster. */
int place_ask(struct cluster *c, const char *words, uint64_t deadline_ns,
              struct weir_value **out, struct weir_error *err);

#endif
