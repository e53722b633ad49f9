/* command.h -- the commands that a flight's items become. */
#ifndef WEIR_REDIS_COMMAND_H
#define WEIR_REDIS_COMMAND_H

#include "session.h"

/* command_put puts the next command of a flight in the outbox and notes what
 * it asks for. False: there is no room for it until something is sent. */
bool command_put(struct redis_session *s, struct flight *f);

/* command_counts says whether the next exists begins with one command for many
 * keys. */
bool command_counts(struct redis_session *s, const struct weir_call *call);

/* command_value_size returns the bytes of the value that an item sets. */
uint64_t command_value_size(const struct weir_item *item);

#endif
