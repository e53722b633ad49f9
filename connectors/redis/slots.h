/* slots.h -- the connector's slots, for the vtable in redis.c. */
#ifndef WEIR_REDIS_SLOTS_H
#define WEIR_REDIS_SLOTS_H

#include "session.h"

int redis_connect(void *state, void *session, struct weir_call *call);
void redis_disconnect(void *session);
int redis_check(void *session);
int redis_start(void *session, struct weir_call *call);
int redis_finish(void *session, struct weir_call *call);
int redis_expire(void *session, struct weir_call *call);

/* session_free lets go of all that a session holds, connected or not. */
void session_free(struct redis_session *s);

#endif
