/* greet.h -- the first commands on a new connection. */
#ifndef WEIR_REDIS_GREET_H
#define WEIR_REDIS_GREET_H

#include "config.h"
#include "connector.h"
#include "link.h"

/* greet authenticates, sets the client name if named, selects the database and
 * checks that a Redis server replies. On failure it reports the reason with
 * weir_call_fail and returns a negative errno. -ENOTSUP: the server closed the
 * connection before it accepted the name. Some proxies close it on an unknown
 * command, so try again without the name. */
int greet(struct link *l, const struct redis_config *config, bool named,
          struct weir_call *call);

#endif
