/* tls.h -- TLS on a link, through OpenSSL. */
#ifndef WEIR_REDIS_TLS_H
#define WEIR_REDIS_TLS_H

#include "config.h"
#include "connector.h"
#include "link.h"

/* tls_context makes what all sessions of a store share: trust, certificate,
 * key. Reads the files that the configuration names. */
int tls_context(const struct redis_config *config, SSL_CTX **out,
                struct weir_error *err);

/* tls_begin shakes hands on a connected link. On failure it says why with
 * weir_call_fail; the link is the caller's to close. */
int tls_begin(struct link *l, SSL_CTX *context,
              const struct redis_config *config, struct weir_call *call);

/* tls_is_quiet, tls_end: what link_is_quiet and link_close do for TLS. */
int tls_is_quiet(struct link *l);
void tls_end(struct link *l);

#endif
