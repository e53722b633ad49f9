/* connect.c -- opens and closes a session: buffers, socket, TLS, greeting. */
#include "vtable.h"

#include <errno.h>
#include <string.h>

#include "dial.h"
#include "greet.h"
#include "pipeline.h"
#include "tls.h"

/* The size of values before one was seen: a first batch requests only a few. */
enum { FIRST_GUESS = 65536 };

static int connect_link(struct redis_session *s, struct weir_call *call,
                        bool named)
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
        rc = greet(&s->link, config, named, call);
    return rc;
}

/* Connects with a client name, or without one if the server hangs up on it. */
static int connect_named(struct redis_session *s, struct weir_call *call)
{
    struct redis *r = s->redis;
    const char *name = r->config->client_name;
    bool named = name != NULL && *name != '\0' && !atomic_load(&r->nameless);
    int rc = connect_link(s, call, named);

    if (rc != -ENOTSUP)
        return rc;
    link_close(&s->link);
    rc = connect_link(s, call, false);
    if (rc == 0)
        atomic_store(&r->nameless, true);
    return rc;
}

/* Frees all that a session holds, connected or not. */
static void session_free(struct redis_session *s)
{
    pipeline_clear(s);
    link_close(&s->link);
    outbox_free(&s->out);
    inbox_free(&s->in);
}

int redis_connect(void *state, void *session, struct weir_call *call)
{
    struct redis_session *s = session;
    int rc;

    s->redis = state;
    s->value_guess = s->reply_guess = FIRST_GUESS;
    rc = outbox_init(&s->out);
    if (rc == 0)
        rc = inbox_init(&s->in);
    if (rc == 0)
        rc = connect_named(s, call);
    if (rc < 0)
        session_free(s);
    s->connected_ns = weir_now();
    return rc;
}

void redis_disconnect(void *session)
{
    session_free(session);
}
