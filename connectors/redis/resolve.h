/* resolve.h -- finds the addresses of a host within a deadline. */
#ifndef WEIR_REDIS_RESOLVE_H
#define WEIR_REDIS_RESOLVE_H

#include <netdb.h>

#include "attempt.h"

/* resolve finds the addresses of the host of an attempt, a name or a literal
 * address. The caller frees them with freeaddrinfo. On failure it reports the
 * reason with attempt_fail and returns a negative errno. */
int resolve(struct attempt *at, struct addrinfo **out);

#endif
