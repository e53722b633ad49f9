/* session.c -- sends commands and receives replies, both ways at once.
 *
 * start only notes a call; finish puts commands in the outbox, sends, receives
 * and answers until the call it waits for is over. So the calls that the worker
 * starts in a row leave in one system call, and no wait is for one direction
 * alone: a server that stops reading until its replies are read never blocks
 * us. Values are asked for and sent as far as a window (window.c).
 *
 * Of long replies, the server's core is the limit, and each time it wakes us
 * costs it. So while one comes we read until there is nothing, and then sleep
 * until much has come. Measured of 1 MiB over TCP on one session: 1.3 times the
 * rate, and 0.85 of our time on the CPU; the sleep alone 1.1 times, the reading
 * alone nothing.
 *
 * Calls past their deadline are in late.c, sessions that break in broken.c. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "command.h"
#include "refusal.h"
#include "session.h"
#include "slots.h"
#include "window.h"

/* Longer replies are not all there when their first bytes are. */
#define REPLY_LONG 65536

/* After so long without a byte seen, any will do. */
#define PATIENCE_NS ((uint64_t)10000000)

/* ---- flights ---- */

void session_wants(struct redis_session *s, struct flight *f)
{
    f->waiting = NULL;
    if (s->waiting == NULL)
        s->waiting = f;
    else
        s->last_waiting->waiting = f;
    s->last_waiting = f;
}

static void flight_free(struct flight *f)
{
    if (f->late)
        free(f->call);
    free(f->pattern);
    free(f->page.data);
    free(f);
}

void session_waits_no_more(struct redis_session *s, struct flight *f)
{
    struct flight **at = &s->waiting, *before = NULL;

    for (; *at != NULL && *at != f; at = &before->waiting)
        before = *at;
    if (*at == NULL)
        return;
    *at = f->waiting;
    if (s->last_waiting == f)
        s->last_waiting = before;
}

void session_forget(struct redis_session *s, struct flight *f)
{
    struct flight **at = &s->flights, *before = NULL;

    for (; *at != f; at = &before->next)
        before = *at;
    *at = f->next;
    if (s->last_flight == f)
        s->last_flight = before;
    flight_free(f);
}

static bool has_pending(const struct weir_call *call)
{
    for (uint32_t i = 0; i < call->n; i++) {
        if (call->items[i].status == WEIR_PENDING)
            return true;
    }
    return false;
}

/* All that a flight asked for is answered: on to its next pass, or over. */
static void flight_turn(struct redis_session *s, struct flight *f)
{
    if (f->late) {
        session_forget(s, f);
        return;
    }
    if (!has_pending(f->call)) {
        f->over = true;
        return;
    }
    f->repeated = true;
    f->pass = f->pass == PASS_FIRST && !f->refused ? PASS_COUNT : PASS_SINGLE;
    f->next_item = 0;
    session_wants(s, f);
}

static struct flight *flight_new(struct redis_session *s,
                                 struct weir_call *call)
{
    struct flight *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->call = call;
    f->max_value = weir_call_max_value(call);
    if (s->flights == NULL)
        s->flights = f;
    else
        s->last_flight->next = f;
    s->last_flight = f;
    if (call->op == WEIR_EXISTS)
        f->pass = command_counts(s, call) ? PASS_COUNT : PASS_SINGLE;
    session_wants(s, f);
    return f;
}

/* ---- asks ---- */

void session_ask(struct redis_session *s, struct flight *f, enum ask_kind kind,
                 uint32_t first, uint32_t n, uint64_t weight)
{
    s->asks[(s->first_ask + s->n_asks++) % REDIS_ASKS] =
        (struct ask){.flight = f,
                     .begin = s->asked,
                     .end = s->out.put,
                     .weight = weight,
                     .first = first,
                     .n = n,
                     .kind = (uint8_t)kind};
    s->asked = s->out.put;
    window_add(s, f, weight);
    f->due++;
}

/* An ask is not one any more; its flight goes on. */
static void ask_over(struct redis_session *s, const struct ask *ask)
{
    struct flight *f = ask->flight;

    s->n_asks--;
    window_remove(s, ask->weight);
    s->late_asks -= f->late;
    f->due--;
    if (f->next_item < f->call->n) {
        if (f->call->op == WEIR_SCAN)
            session_wants(s, f);
    } else if (f->due == 0) {
        flight_turn(s, f);
    }
}

void session_answered(struct redis_session *s)
{
    struct ask *ask = session_asked(s);

    s->first_ask = (s->first_ask + 1) % REDIS_ASKS;
    ask_over(s, ask);
}

/* Puts commands in the outbox while they fit and are wanted. */
static void put_commands(struct redis_session *s)
{
    while (s->waiting != NULL && window_open(s, s->waiting)) {
        struct flight *f = s->waiting;

        if (!command_put(s, f))
            return;
        if (f->next_item < f->call->n &&
            (f->call->op != WEIR_SCAN || f->due == 0))
            continue;
        s->waiting = f->waiting;
        if (f->next_item == f->call->n && f->due == 0)
            flight_turn(s, f);
    }
}

/* The memory of the next command was taken back. If nothing of it has left, it
 * goes and nobody else notices. False: the server waits for its rest, or may
 * do: TLS counts a record as sent when the last of it leaves. */
static bool session_withdraw(struct redis_session *s)
{
    struct weir_call *call;
    struct ask taken;
    uint32_t i = 0;
    bool begun;

    while (session_ask_at(s, i)->end <= s->out.sent)
        i++;
    taken = *session_ask_at(s, i);
    call = taken.flight->call;
    begun = taken.begin != s->out.sent || s->link.tls != NULL;
    session_fail(call, taken.first, begun ? call->n - taken.first : taken.n,
                 WEIR_SKIPPED, "the batch was abandoned");
    if (begun)
        return false;
    outbox_drop(&s->out, taken.end - taken.begin);
    for (; i + 1 < s->n_asks; i++)
        *session_ask_at(s, i) = *session_ask_at(s, i + 1);
    ask_over(s, &taken);
    return true;
}

static int session_flush(struct redis_session *s)
{
    int rc;

    do
        rc = outbox_flush(&s->out, &s->link);
    while (rc == -ECANCELED && session_withdraw(s));
    return rc == -ECANCELED ? -ECONNABORTED : rc;
}

/* Puts and sends all that goes now. */
static int session_send(struct redis_session *s)
{
    uint64_t put, sent = s->out.sent;
    int rc;

    do {
        put = s->out.put;
        put_commands(s);
        rc = session_flush(s);
    } while (rc == 0 && s->out.put != put && s->waiting != NULL);
    s->blocked = rc == -EAGAIN;
    if (s->out.sent != sent)
        s->stuck_since = 0;
    return s->blocked ? 0 : rc;
}

/* More of such a reply has come while a part of it was copied. */
static bool long_reply_due(struct redis_session *s)
{
    const struct ask *ask = session_asked(s);

    return s->n_asks > 0 && ask->flight->call->op == WEIR_GET &&
           ask->weight > REPLY_LONG;
}

int session_receive(struct redis_session *s)
{
    ssize_t n = inbox_receive(&s->in, &s->link, &s->readable);

    if (n == -EAGAIN) {
        s->readable = false;
        return 0;
    }
    if (n < 0)
        return (int)n;
    s->mute_since = 0;
    s->readable |= long_reply_due(s);
    return 0;
}

/* What is left of a timeout (0: there is none) whose clock runs, or does not.
 */
static uint64_t time_left(uint64_t *since, bool runs, uint64_t timeout,
                          uint64_t now)
{
    if (!runs)
        *since = 0;
    else if (*since == 0)
        *since = now;
    if (!runs || timeout == 0)
        return UINT64_MAX;
    return now - *since < timeout ? timeout - (now - *since) : 0;
}

/* The server takes no more, which is rc; what it has said before stands. */
static int session_hear_out(struct redis_session *s, struct weir_call *call,
                            int rc)
{
    while (weir_call_look(call) == 0 &&
           inbox_receive(&s->in, &s->link, &s->readable) > 0) {
        int heard = answer_replies(s, NULL);

        if (heard < 0)
            return heard;
    }
    return rc;
}

/* Waits for the link: while a payload comes, until much of it is here. But not
 * for long, since whether it trickles or has stopped is not seen meanwhile; the
 * clock of silence goes on when new work or room to send ends a wait. */
static int session_doze(struct redis_session *s, struct weir_call *call,
                        uint64_t limit, uint64_t now)
{
    short events = link_events(&s->link, s->blocked);
    uint64_t mute = s->mute_since != 0 ? now - s->mute_since : 0;
    uint64_t patience = mute < PATIENCE_NS ? PATIENCE_NS - mute : 0;

    if (s->in.filling && patience > 0 && patience < limit &&
        link_await(&s->link, s->in.left)) {
        int rc = weir_call_wait(call, s->link.fd, events, patience);

        if (rc != -ETIMEDOUT)
            return rc;
        limit -= patience;
    }
    link_await(&s->link, 0);
    return weir_call_wait(call, s->link.fd, events, limit);
}

/* Waits until something moves; -ETIMEDOUT also when nothing has for the
 * timeout of a direction: more to ask does not make a server less silent. */
static int session_wait(struct redis_session *s, struct weir_call *call)
{
    const struct redis_config *config = s->redis->config;
    bool due = s->n_asks > 0 && session_asked(s)->end <= s->out.sent;
    uint64_t now = weir_now(), limit, write;
    int rc;

    limit = time_left(&s->mute_since, due, config->read_timeout, now);
    write = time_left(&s->stuck_since, s->blocked, config->write_timeout, now);
    if (write < limit)
        limit = write;
    if (limit == 0)
        return -ETIMEDOUT;
    rc = session_doze(s, call, limit, now);
    if (rc > 0)
        s->readable = rc & ~POLLOUT;
    return rc;
}

void session_free(struct redis_session *s)
{
    while (s->flights != NULL) {
        struct flight *f = s->flights;

        s->flights = f->next;
        flight_free(f);
    }
    window_remove(s, s->awaited);
    weir_value_unref(s->value);
    link_close(&s->link);
    outbox_free(&s->out);
    inbox_free(&s->in);
}

/* ---- the slots ---- */

int redis_start(void *session, struct weir_call *call)
{
    struct redis_session *s = session;

    call->link = flight_new(s, call);
    if (call->link == NULL)
        weir_call_fail(call, NULL, WEIR_BUSY, "out of memory");
    return 0;
}

int redis_finish(void *session, struct weir_call *call)
{
    struct redis_session *s = session;
    struct flight *f = call->link;
    int rc = 0;

    while (f != NULL) {
        rc = answer_replies(s, f);
        if (rc < 0 || f->over)
            break;
        rc = session_send(s);
        if (rc == -EPIPE || rc == -ECONNRESET)
            rc = session_hear_out(s, call, rc);
        if (rc == 0 && !f->over)
            rc = s->readable ? weir_call_look(call) : session_wait(s, call);
        if (rc == -EAGAIN)
            return rc;
        if (rc >= 0 && s->readable)
            rc = session_receive(s);
        if (rc < 0)
            break;
    }
    if (rc == 0 && s->n_asks == 0 && s->in.begin != s->in.end)
        rc = session_surprise(s, "nothing more");
    if (rc < 0)
        return session_break(s, f, rc);
    if (f != NULL)
        session_forget(s, f);
    if (s->n_asks == 0)
        s->readable = false;
    return s->renew;
}
