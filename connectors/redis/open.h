/* open.h -- opens a link: socket, TLS, greeting. */
#ifndef WEIR_REDIS_OPEN_H
#define WEIR_REDIS_OPEN_H

#include "attempt.h"
#include "link.h"

/* open_attempt returns an attempt to connect to the server of the options. call
 * is NULL on a thread of the store. */
struct attempt open_attempt(const struct redis *r, struct weir_call *call);

/* open_link connects a link and greets the server. On failure the attempt has
 * the reason, and a negative errno is returned. The caller closes the link
 * then, too. */
int open_link(struct link *l, struct redis *r, struct attempt *at);

#endif
