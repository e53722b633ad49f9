/* change.h -- encodes the atomic ops. */
#ifndef WEIR_REDIS_CHANGE_H
#define WEIR_REDIS_CHANGE_H

#include "session.h"

enum { CHANGE_ROOM = 512 }; /* most bytes of the outbox that a script takes */

/* change_puts returns whether an op is one of them. */
static inline bool change_puts(uint32_t op)
{
    return op >= WEIR_ADD && op <= WEIR_TAKE;
}

/* change_put puts the command for an item. The caller has checked that there is
 * room for the key, the value and CHANGE_ROOM. */
void change_put(struct redis_session *s, struct progress *p,
                struct weir_item *item);

/* change_answer answers the oldest command's item with its reply, a line that
 * is no error. Returns false if this is no reply that the command expects. */
bool change_answer(struct weir_call *call, struct weir_item *item,
                   enum expect expects, const struct reply *line);

#endif
