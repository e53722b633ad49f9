/* answer.h -- replies become the items' statuses and values. */
#ifndef WEIR_REDIS_ANSWER_H
#define WEIR_REDIS_ANSWER_H

#include "session.h"

/* answer_replies reads what is in the inbox until that flight (NULL: all of
 * them) is over or more must be received. 0; -EPROTO; -ECONNRESET: the server
 * refuses a command that has not left whole, and will not find the next one. */
int answer_replies(struct redis_session *s, const struct flight *until);

#endif
