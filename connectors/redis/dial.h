/* dial.h -- a connected socket to the configured server. */
#ifndef WEIR_REDIS_DIAL_H
#define WEIR_REDIS_DIAL_H

#include "config.h"
#include "connector.h"

/* dial connects to the unix socket, or to the first address of the host that
 * accepts, and returns a non-blocking socket. On failure it reports the reason
 * with weir_call_fail and returns a negative errno. */
int dial(const struct redis_config *config, struct weir_call *call);

#endif
