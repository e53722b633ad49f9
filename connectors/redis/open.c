/* open.c -- opens a link: socket, TLS, greeting. */
#include "open.h"

#include <errno.h>

#include "dial.h"
#include "greet.h"
#include "tls.h"

struct attempt open_attempt(const struct redis *r, struct weir_call *call)
{
    const struct redis_config *c = r->config;

    return (struct attempt){
        .config = c,
        .host = c->socket == NULL ? c->host : NULL,
        .port = (int)c->port,
        .user = c->user,
        .password = c->password,
        .db = r->db,
        .named = c->client_name != NULL && *c->client_name != '\0',
        .call = call,
        .end = -1,
    };
}

static int open_once(struct link *l, SSL_CTX *tls, struct attempt *at)
{
    int rc = dial(at);

    if (rc < 0)
        return rc;
    link_init(l, rc,
              at->host != NULL && tls == NULL &&
                  at->config->receive_buffer == 0);
    rc = 0;
    if (tls != NULL)
        rc = tls_begin(l, tls, at);
    if (rc == 0)
        rc = greet(l, at);
    return rc;
}

/* Connects without a client name if the server hangs up on it. */
int open_link(struct link *l, struct redis *r, struct attempt *at)
{
    int rc;

    at->named &= !atomic_load(&r->nameless);
    rc = open_once(l, r->tls, at);
    if (rc != -ENOTSUP)
        return rc;
    link_close(l);
    at->named = false;
    rc = open_once(l, r->tls, at);
    if (rc == 0)
        atomic_store(&r->nameless, true);
    return rc;
}
