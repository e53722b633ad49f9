/* broken.c -- the end of a session whose stream cannot go on.
 *
 * What was surely not applied, since its command did not leave whole, gets a
 * status that any op may be tried again after. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "session.h"

void session_fail(struct weir_call *call, uint32_t first, uint32_t n,
                  int status, const char *why)
{
    for (uint32_t i = first; i < first + n; i++) {
        if (call->items[i].status == WEIR_PENDING)
            weir_call_fail(call, &call->items[i], status, "%s", why);
    }
}

int session_surprise(struct redis_session *s, const char *expected)
{
    char came[33];
    size_t len, n = 0;
    const char *at = inbox_at(&s->in, &len);

    for (; n < len && n < sizeof came - 1; n++)
        came[n] = at[n] >= ' ' && at[n] <= '~' ? at[n] : '.';
    came[n] = '\0';
    snprintf(s->surprise, sizeof s->surprise, "expected %s, got \"%s\"",
             expected, came);
    return -EPROTO;
}

static const char *break_reason(const struct redis_session *s, int rc)
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
        return "stopped while it was on its way";
    case -EBADMSG:
        return "TLS failed";
    case -ECONNABORTED:
        return "dropped with a batch that was abandoned half sent";
    case -EPROTO:
        return s->surprise[0] != '\0' ? s->surprise : "not the protocol";
    default:
        return strerror(-rc);
    }
}

/* Nothing says which reply was the one too many or too few: when a stream is
 * seen out of step, no answer of an unfinished call is believed. Those of calls
 * that are over cannot be taken back. */
static void session_distrust(struct redis_session *s, const char *why)
{
    for (struct flight *f = s->flights; f != NULL; f = f->next) {
        struct weir_call *call = f->call;

        for (uint32_t i = 0; i < call->n && !f->late; i++) {
            if (call->items[i].status != WEIR_OK &&
                call->items[i].status != WEIR_MISS)
                continue;
            if (call->op == WEIR_GET || call->op == WEIR_SCAN) {
                weir_value_unref(call->items[i].value);
                call->items[i].value = NULL;
            }
            weir_call_fail(call, &call->items[i], WEIR_RESET, "%s", why);
        }
    }
}

/* Answers everything on the session: what left whole may have been applied. */
int session_break(struct redis_session *s, const struct flight *culprit, int rc)
{
    const char *why = break_reason(s, rc);
    int sent = rc == -ETIMEDOUT ? WEIR_TIMEOUT : WEIR_RESET;
    int unsent =
        rc == -ETIMEDOUT || rc == -ECANCELED ? WEIR_SKIPPED : WEIR_UNAVAILABLE;

    if (rc == -EPROTO)
        session_distrust(s, why);
    for (uint32_t i = 0; i < s->n_asks; i++) {
        const struct ask *ask = session_ask_at(s, i);

        if (ask->end <= s->out.sent)
            session_fail(ask->flight->call, ask->first, ask->n, sent, why);
    }
    for (struct flight *f = s->flights; f != NULL; f = f->next)
        session_fail(f->call, 0, f->call->n,
                     f == culprit ? unsent : WEIR_UNAVAILABLE, why);
    weir_value_unref(s->value);
    s->value = NULL;
    return rc;
}
