/* connect.c -- a session from nothing: dial, TLS, greeting, buffers. */
#include <errno.h>
#include <string.h>

#include "dial.h"
#include "greet.h"
#include "slots.h"
#include "tls.h"

/* A value's size before any was seen: a first batch asks for a few. */
#define FIRST_GUESS 65536

static int connect_link(struct redis_session *s, struct weir_call *call)
{
    const struct redis_config *config = s->redis->config;
    int rc = dial(config, call);

    if (rc < 0)
        return rc;
    link_init(&s->link, rc,
              config->socket == NULL && s->redis->tls == NULL &&
                  config->receive_buffer == 0);
    rc = 0;
    if (s->redis->tls != NULL)
        rc = tls_begin(&s->link, s->redis->tls, config, call);
    if (rc == 0)
        rc = greet(&s->link, config, call);
    return rc;
}

int redis_connect(void *state, void *session, struct weir_call *call)
{
    struct redis_session *s = session;
    int rc;

    s->redis = state;
    s->guess = s->reply = FIRST_GUESS;
    rc = outbox_init(&s->out);
    if (rc == 0)
        rc = inbox_init(&s->in);
    if (rc == 0)
        rc = connect_link(s, call);
    if (rc < 0)
        session_free(s);
    s->connected_ns = weir_now();
    return rc;
}

void redis_disconnect(void *session)
{
    session_free(session);
}
