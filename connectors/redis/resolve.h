/* resolve.h -- finds the addresses of a host within a deadline. */
#ifndef WEIR_REDIS_RESOLVE_H
#define WEIR_REDIS_RESOLVE_H

#include <netdb.h>

#include "connector.h"

/* resolve finds the addresses of a host name or a literal address. The caller
 * frees them with freeaddrinfo. On failure it reports the reason with
 * weir_call_fail and returns a negative errno. */
int resolve(struct weir_call *call, const char *host, int port,
            struct addrinfo **out);

#endif
