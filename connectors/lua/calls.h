/* calls.h -- calls of the runtime in the Lua state. */
#ifndef LUA_CALLS_H
#define LUA_CALLS_H

#include "state.h"

/* These are the connector's slots; see connector.h. The session is the store.
 */
int calls_start(void *session, struct weir_call *call);
int calls_finish(void *session, struct weir_call *call);
int calls_expire(void *session, struct weir_call *call);
void calls_idle(void *session, struct weir_call *call);

/* calls_free frees what is left when the Lua state is gone. */
void calls_free(struct lua_store *s);

/* calls_take_answers hands the answers of Lua to the threads that asked. */
void calls_take_answers(struct lua_store *s);

#endif
