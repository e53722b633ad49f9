/* late.c -- calls that end before their replies come.
 *
 * RESP numbers nothing: a reply that is not wanted any more must be received,
 * or the next one is not found. So at its deadline a call gets its answer, and
 * its flight goes on with a call of its own whose items are all answered: the
 * replies find nothing pending and are thrown away as they come. What is not
 * sent yet of its commands is copied, since the caller takes the memory back.
 *
 * Such replies are waited for like others: read_timeout of silence breaks the
 * session. So do more than LATE_MAX of them. */
#include <errno.h>
#include <stdlib.h>

#include "answer.h"
#include "message.h"
#include "slots.h"

/* The rest of the asks is for calls that still wait. */
enum { LATE_MAX = REDIS_ASKS / 2 };

/* The call that a late flight goes on with. */
struct late {
    struct weir_call call; /* first: freed with the flight */
    struct weir_item items[];
};

static struct weir_call *late_call(const struct weir_call *call)
{
    struct late *late = calloc(1, sizeof *late + call->n * sizeof *late->items);

    if (late == NULL)
        return NULL;
    late->call.op = call->op;
    late->call.n = call->n;
    late->call.items = late->items;
    for (uint32_t i = 0; i < call->n; i++)
        late->items[i].status = WEIR_TIMEOUT;
    return &late->call;
}

/* Makes the flight's unsent commands independent of the caller's memory. */
static int late_own(struct redis_session *s, const struct flight *f)
{
    int rc = 0;

    for (uint32_t i = 0; i < s->n_asks && rc == 0; i++) {
        const struct ask *ask = session_ask_at(s, i);

        if (ask->flight == f && ask->end > s->out.sent)
            rc = outbox_own(&s->out, ask->begin, ask->end);
    }
    return rc;
}

/* A payload that comes for the flight now goes nowhere. */
static void late_payload(struct redis_session *s, const struct flight *f)
{
    if (!s->in.filling || session_asked(s)->flight != f)
        return;
    inbox_forget(&s->in);
    weir_value_unref(s->value);
    s->value = NULL;
}

/* What a flight never asked for was not sent; the rest may have been. */
static void late_answer(const struct flight *f)
{
    struct weir_call *call = f->call;

    for (uint32_t i = 0; i < call->n; i++) {
        if (call->items[i].status != WEIR_PENDING)
            continue;
        if (i < f->next_item || f->repeated)
            weir_call_fail(call, &call->items[i], WEIR_TIMEOUT, NO_ANSWER);
        else
            weir_call_fail(call, &call->items[i], WEIR_SKIPPED,
                           "deadline passed while it was queued");
    }
}

int redis_expire(void *session, struct weir_call *call)
{
    struct redis_session *s = session;
    struct flight *f = call->link;
    struct weir_call *own;
    int rc;

    if (f == NULL)
        return 0;
    if (f->over) {
        session_forget(s, f);
        return 0;
    }
    rc = late_own(s, f);
    if (rc == -EBUSY)
        return rc; /* whoever took the memory back does not wait either */
    own = late_call(call);
    late_answer(f);
    if (rc < 0 || own == NULL) {
        free(own);
        return session_break(s, NULL, -ENOMEM);
    }
    late_payload(s, f);
    session_waits_no_more(s, f);
    f->call = own;
    f->late = true;
    f->next_item = own->n;
    s->late_asks += f->due;
    if (f->due == 0)
        session_forget(s, f);
    return s->late_asks > LATE_MAX ? session_break(s, NULL, -EOVERFLOW) : 0;
}

/* Receives what has come of replies to late calls; 0: the server still says
 * something, or has not been silent for long. */
static int late_check(struct redis_session *s)
{
    uint64_t timeout = s->redis->config->read_timeout, now = weir_now();
    int rc = session_receive(s);

    if (rc == 0)
        rc = answer_replies(s, NULL);
    if (rc < 0 || s->n_asks == 0)
        return rc;
    if (s->mute_since == 0)
        s->mute_since = now;
    return timeout != 0 && now - s->mute_since >= timeout ? -ETIMEDOUT : 0;
}

int redis_check(void *session)
{
    struct redis_session *s = session;

    if (s->renew)
        return -ESTALE;
    if (s->n_asks > 0) {
        int rc = late_check(s);

        if (rc < 0 || s->n_asks > 0)
            return rc;
    }
    s->readable = false;
    return s->in.begin == s->in.end && link_is_quiet(&s->link) ? 0 : -ESTALE;
}
