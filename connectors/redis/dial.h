/* dial.h -- a connected socket to a server. */
#ifndef WEIR_REDIS_DIAL_H
#define WEIR_REDIS_DIAL_H

#include "attempt.h"

/* dial connects to the unix socket, or to the first address of the host that
 * accepts, and returns a non-blocking socket. On failure it reports the reason
 * with attempt_fail and returns a negative errno. */
int dial(struct attempt *at);

#endif
