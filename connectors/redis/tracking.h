/* tracking.h -- learns from the server which keys have changed. */
#ifndef WEIR_REDIS_TRACKING_H
#define WEIR_REDIS_TRACKING_H

#include "connector.h"

/* The slots watch and can_watch. */
int redis_watch(void *state, struct weir_call *call);
int redis_can_watch(void *state, struct weir_error *err);

#endif
