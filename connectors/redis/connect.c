/* connect.c -- opens and closes a session: its buffers and its link. */
#include "vtable.h"

#include <errno.h>
#include <string.h>

#include "master.h"
#include "pipeline.h"

/* The size of values before one was seen: a first batch requests only a few. */
enum { FIRST_GUESS = 65536 };

int session_begin(struct redis_session *s, struct redis *r)
{
    int rc;

    s->redis = r;
    s->loaded = &r->loaded;
    s->value_guess = s->reply_guess = FIRST_GUESS;
    rc = outbox_init(&s->out);
    return rc == 0 ? inbox_init(&s->in) : rc;
}

void session_end(struct redis_session *s)
{
    pipeline_clear(s);
    link_close(&s->link);
    outbox_free(&s->out);
    inbox_free(&s->in);
}

int redis_connect(void *state, void *session, struct weir_call *call)
{
    struct redis_session *s = session;
    struct attempt at = open_attempt(state, call);
    uint32_t turn = master_turn(state);
    int rc = session_begin(s, state);

    s->turn = turn;

    if (rc == 0)
        rc = master_open(&s->link, s->redis, &at);
    if (rc < 0)
        session_end(s);
    else
        master_listen(s->redis);
    s->connected_ns = weir_now();
    return rc;
}

void redis_disconnect(void *session)
{
    session_end(session);
}
