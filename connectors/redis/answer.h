/* answer.h -- reads replies and answers items with them. */
#ifndef WEIR_REDIS_ANSWER_H
#define WEIR_REDIS_ANSWER_H

#include "session.h"

/* answer_replies reads replies from the inbox until that call (NULL: all calls)
 * is done or more must be received. Returns 0, -EPROTO, or -ECONNRESET: the
 * server replied with an error to a command that was not sent completely, so it
 * cannot find the next one. */
int answer_replies(struct redis_session *s, const struct progress *until);

#endif
