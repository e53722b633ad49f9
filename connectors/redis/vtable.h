/* vtable.h -- the functions that redis.c puts in the connector's vtable. */
#ifndef WEIR_REDIS_VTABLE_H
#define WEIR_REDIS_VTABLE_H

#include "connector.h"

int redis_connect(void *state, void *session, struct weir_call *call);
void redis_disconnect(void *session);
int redis_check(void *session);
int redis_start(void *session, struct weir_call *call);
int redis_finish(void *session, struct weir_call *call);
int redis_expire(void *session, struct weir_call *call);

#endif
