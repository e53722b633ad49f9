/* fail.c -- answers items when a session fails.
 *
 * A command that was not sent completely was certainly not applied. Its items
 * get a status after which any op can be retried. */
#include "fail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "pipeline.h"

void fail_items(struct progress *p, uint32_t first, uint32_t n, int status,
                const char *why)
{
    for (uint32_t i = first; i < first + n; i++) {
        if (progress_item(p, i)->status == WEIR_PENDING)
            weir_call_fail(p->call, progress_item(p, i), status, "%s", why);
    }
}

int fail_unexpected(struct redis_session *s, const char *expected)
{
    char got[33];
    size_t len, n = 0;
    const char *at = inbox_at(&s->in, &len);

    for (; n < len && n < sizeof got - 1; n++)
        got[n] = at[n] >= ' ' && at[n] <= '~' ? at[n] : '.';
    got[n] = '\0';
    snprintf(s->unexpected, sizeof s->unexpected, "expected %s, got \"%s\"",
             expected, got);
    return -EPROTO;
}

static const char *fail_reason(const struct redis_session *s, int rc)
{
    switch (rc) {
    case -ECONNRESET:
    case -EPIPE:
        return "the server closed the connection";
    case -ETIMEDOUT:
        return NO_ANSWER;
    case -EOVERFLOW:
        return "too many replies are overdue";
    case -ECANCELED:
        return "the store was closed while it was in flight";
    case -EBADMSG:
        return "TLS failed";
    case -ECONNABORTED:
        return "connection dropped: a batch was abandoned half sent";
    case -EPROTO:
        return s->unexpected[0] != '\0' ? s->unexpected
                                        : "a reply against the protocol";
    default:
        return strerror(-rc);
    }
}

/* Turns the OK and MISS items of unfinished calls into RESET. A reply against
 * the protocol may be the late sign of an earlier reply too many or too few, so
 * their answers may belong to other keys. Finished calls are gone already. */
static void fail_answered(struct redis_session *s, const char *why)
{
    for (struct progress *p = s->calls; p != NULL; p = p->next) {
        for (uint32_t i = 0; i < p->n && !p->late; i++) {
            struct weir_item *item = progress_item(p, i);

            if (item->status == WEIR_OK || item->status == WEIR_MISS)
                weir_call_fail(p->call, item, WEIR_RESET, "%s", why);
        }
    }
}

int fail_session(struct redis_session *s, const struct progress *culprit,
                 int rc)
{
    char why[200];
    int sent = rc == -ETIMEDOUT ? WEIR_TIMEOUT : WEIR_RESET;
    int unsent =
        rc == -ETIMEDOUT || rc == -ECANCELED ? WEIR_SKIPPED : WEIR_UNAVAILABLE;

    snprintf(why, sizeof why, "%s%s", s->node != NULL ? s->node : "",
             fail_reason(s, rc));
    if (rc == -EPROTO)
        fail_answered(s, why);
    for (uint32_t i = 0; i < s->n_commands; i++) {
        const struct command *command = pipeline_at(s, i);

        if (command->end <= s->out.sent)
            fail_items(command->progress, command->first, command->n, sent,
                       why);
    }
    for (struct progress *p = s->calls; p != NULL; p = p->next)
        fail_items(p, 0, p->n, p == culprit ? unsent : WEIR_UNAVAILABLE, why);
    return rc;
}
