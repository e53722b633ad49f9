/* resolve.h -- the addresses of a host, within a deadline. */
#ifndef WEIR_REDIS_RESOLVE_H
#define WEIR_REDIS_RESOLVE_H

#include <netdb.h>

#include "connector.h"

/* resolve finds the addresses of a host name or a literal address; the caller
 * gives them back with freeaddrinfo. On failure it says why with
 * weir_call_fail. */
int resolve(struct weir_call *call, const char *host, int port,
            struct addrinfo **out);

#endif
