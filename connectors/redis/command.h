/* command.h -- encodes items as RESP commands. */
#ifndef WEIR_REDIS_COMMAND_H
#define WEIR_REDIS_COMMAND_H

#include "session.h"

/* command_put puts the next command of a call in the outbox and notes it with
 * pipeline_add. False: there is no room until something was sent or replied. */
bool command_put(struct redis_session *s, struct progress *p);

/* command_counts returns whether an exists begins with PASS_COUNT. */
bool command_counts(struct redis_session *s, const struct weir_call *call);

#endif
