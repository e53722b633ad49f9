/* dial.h -- a connected socket to the configured server. */
#ifndef WEIR_REDIS_DIAL_H
#define WEIR_REDIS_DIAL_H

#include "config.h"
#include "connector.h"

/* The beginning of what is said when connecting takes too long, wherever. */
#define NO_CONNECTION "no connection in time"

/* dial connects to the unix socket or to the first address of the host that
 * answers, and returns a non-blocking socket. On failure it says why with
 * weir_call_fail and returns a negative errno. */
int dial(const struct redis_config *config, struct weir_call *call);

#endif
