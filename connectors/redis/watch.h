/* watch.h -- tells which keys have changed on the server or the cluster. */
#ifndef WEIR_REDIS_WATCH_H
#define WEIR_REDIS_WATCH_H

#include "connector.h"

/* The slots watch and can_watch. */
int redis_watch(void *state, struct weir_call *call);
int redis_can_watch(void *state, struct weir_error *err);

#endif
