/* tls.h -- TLS on a link, through OpenSSL. */
#ifndef WEIR_REDIS_TLS_H
#define WEIR_REDIS_TLS_H

#include "attempt.h"
#include "link.h"

/* tls_context reads the certificates and the key that the configuration names,
 * and makes the context that all sessions of a store share. */
int tls_context(const struct redis_config *config, SSL_CTX **out,
                struct weir_error *err);

/* tls_begin puts TLS on a connected link and does the handshake. On failure it
 * reports the reason with attempt_fail and returns a negative errno. The
 * caller then closes the link. */
int tls_begin(struct link *l, SSL_CTX *context, struct attempt *at);

#endif
