/* greet.h -- the first commands on a new connection. */
#ifndef WEIR_REDIS_GREET_H
#define WEIR_REDIS_GREET_H

#include "attempt.h"
#include "link.h"

/* greet authenticates, sets the client name, selects the database and checks
 * that a Redis server replies, as the attempt says. On failure it reports the
 * reason with attempt_fail and returns a negative errno. -ENOTSUP: the server
 * closed the connection before it accepted the name. Some proxies close it on
 * an unknown command, so try again without the name. */
int greet(struct link *l, struct attempt *at);

#endif
