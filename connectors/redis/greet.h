/* greet.h -- the first commands on a new connection. */
#ifndef WEIR_REDIS_GREET_H
#define WEIR_REDIS_GREET_H

#include "config.h"
#include "connector.h"
#include "link.h"

/* greet authenticates, names the connection if it should be named, selects the
 * database and makes sure that a server answers. On failure it says why with
 * weir_call_fail. -ENOTSUP: the server hung up, perhaps on the name, since some
 * proxies do on what they do not know; try again without. */
int greet(struct link *l, const struct redis_config *config, bool named,
          struct weir_call *call);

#endif
