/* greet.h -- the first commands on a new connection. */
#ifndef WEIR_REDIS_GREET_H
#define WEIR_REDIS_GREET_H

#include "config.h"
#include "connector.h"
#include "link.h"

/* greet authenticates, names the connection, selects the database and makes
 * sure that a server answers. On failure it says why with weir_call_fail. */
int greet(struct link *l, const struct redis_config *config,
          struct weir_call *call);

#endif
