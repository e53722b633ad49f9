/* endpoint.h -- the address of a server. */
#ifndef WEIR_REDIS_ENDPOINT_H
#define WEIR_REDIS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "connector.h"

enum { ENDPOINT_HOST = 256, ENDPOINTS = 64 };

struct endpoint {
    char host[ENDPOINT_HOST];
    int port;
};

/* A list of addresses, as in "h1:7000,[::1]:7001,h3". */
struct endpoints {
    struct endpoint at[ENDPOINTS];
    size_t n;
};

/* endpoint_read reads one address of len bytes. false: it is none. */
bool endpoint_read(struct endpoint *e, const char *text, size_t len, int port);

/* endpoints_read reads a list. port is that of addresses without one. Returns 0
 * or -EINVAL and a sentence about the option host. */
int endpoints_read(struct endpoints *list, const char *text, int port,
                   struct weir_error *err);

/* endpoint_write writes an address as host:port or [host]:port. */
void endpoint_write(const struct endpoint *e, char *out, size_t cap);

/* endpoints_write writes a list as its first address and how many more there
 * are. */
void endpoints_write(const struct endpoints *list, char *out, size_t cap);

#endif
