/* late.c -- answers calls at their deadline, before their replies come.
 *
 * Replies carry no number, so the reply to a late call must still be read: the
 * next command would get it. redis_expire answers the call and gives its
 * progress a call of its own whose items all have a status. The replies find
 * nothing pending and are discarded. Unsent parts of its commands are copied,
 * since the caller gets the memory back.
 *
 * read_timeout holds for these replies, too. More than LATE_MAX commands in
 * flight for late calls end the session. */
#include "late.h"

#include <errno.h>
#include <stdlib.h>

#include "answer.h"
#include "exchange.h"
#include "fail.h"
#include "master.h"
#include "message.h"
#include "pipeline.h"
#include "vtable.h"

/* The other half is for calls that are not late. */
enum { LATE_MAX = REDIS_COMMANDS / 2 };

/* The call that replaces a late one. */
struct late {
    struct weir_call call; /* first: pipeline_free frees it */
    struct weir_item items[];
};

static struct weir_call *late_call(const struct progress *p)
{
    struct late *late = calloc(1, sizeof *late + p->n * sizeof *late->items);

    if (late == NULL)
        return NULL;
    late->call.op = p->call->op;
    late->call.n = p->n;
    late->call.items = late->items;
    for (uint32_t i = 0; i < p->n; i++)
        late->items[i].status = WEIR_TIMEOUT;
    return &late->call;
}

/* Copies the unsent parts of a call's commands. */
static int late_own(struct redis_session *s, const struct progress *p)
{
    int rc = 0;

    for (uint32_t i = 0; i < s->n_commands && rc == 0; i++) {
        const struct command *command = pipeline_at(s, i);

        if (command->progress == p && command->end > s->out.sent)
            rc = outbox_own(&s->out, command->begin, command->end);
    }
    return rc;
}

/* Answers what is pending: TIMEOUT for items whose command was put, which may
 * have been applied, SKIPPED for the others. */
static void late_answer(const struct redis_session *s, const struct progress *p)
{
    const char *node = s->node != NULL ? s->node : "";

    for (uint32_t i = 0; i < p->n; i++) {
        struct weir_item *item = progress_item(p, i);

        if (item->status != WEIR_PENDING)
            continue;
        if (i < p->next_item || p->repeated)
            weir_call_fail(p->call, item, WEIR_TIMEOUT, "%s" NO_ANSWER, node);
        else
            weir_call_fail(p->call, item, WEIR_SKIPPED,
                           "%sdeadline passed while it was queued", node);
    }
}

int late_expire(struct redis_session *s, struct progress *p)
{
    struct weir_call *own;
    int rc;

    if (p->done) {
        pipeline_end(s, p);
        return 0;
    }
    rc = late_own(s, p);
    if (rc == -EBUSY)
        return rc; /* the batch was abandoned: its caller does not wait */
    own = late_call(p);
    late_answer(s, p);
    if (rc < 0 || own == NULL) {
        free(own);
        return fail_session(s, NULL, -ENOMEM);
    }
    if (s->in.filling && pipeline_oldest(s)->progress == p)
        inbox_discard(&s->in);
    pipeline_unqueue(s, p);
    free(p->part);
    p->part = NULL;
    if (p->errand != NULL)
        s->routing->ended(p);
    p->errand = NULL;
    p->call = own;
    p->late = true;
    p->next_item = p->n;
    s->late_commands += p->in_flight;
    if (p->in_flight == 0)
        pipeline_end(s, p);
    return s->late_commands > LATE_MAX ? fail_session(s, NULL, -EOVERFLOW) : 0;
}

int redis_expire(void *session, struct weir_call *call)
{
    return call->link != NULL ? late_expire(session, call->link) : 0;
}

/* Reads replies to late calls without waiting. -ETIMEDOUT: the server has been
 * silent for read_timeout. */
static int late_check(struct redis_session *s)
{
    uint64_t timeout = s->redis->config->read_timeout, now = weir_now();
    int rc = exchange_receive(s);

    if (rc == 0)
        rc = answer_replies(s, NULL);
    if (rc < 0 || s->n_commands == 0)
        return rc;
    if (s->silent_since == 0)
        s->silent_since = now;
    return timeout != 0 && now - s->silent_since >= timeout ? -ETIMEDOUT : 0;
}

int redis_check(void *session)
{
    struct redis_session *s = session;

    if (s->renew || s->turn != master_turn(s->redis))
        return -ESTALE;
    if (s->n_commands > 0) {
        int rc = late_check(s);

        if (rc < 0 || s->n_commands > 0)
            return rc;
    }
    s->readable = false;
    return s->in.begin == s->in.end && link_is_quiet(&s->link) ? 0 : -ESTALE;
}
