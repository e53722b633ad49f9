/* answer.c -- each reply answers the items of the oldest ask.
 *
 * A reply of another type than the command has is a surprise: the session is
 * dropped, and nothing after it is believed. So is a reply too many, but RESP
 * numbers nothing: if it could be the next command's, it is noticed when
 * nothing more is on the way, and calls that were over by then keep what they
 * took. */
#include <errno.h>

#include "answer.h"
#include "refusal.h"
#include "reply.h"
#include "scan.h"

/* So many exists are not tried as one command after one that had to be asked
 * again: a server spends a third on a key there that it spends on a command. */
#define MIXED 16

/* A session is this old before an error about the server ends it, or such
 * errors came for so long. */
#define RENEW_NS ((uint64_t)1000000000)

/* Longer values say nothing about the next ones. */
#define LEARN_MAX ((int64_t)512 << 20)

static struct weir_item *first_item(const struct ask *ask)
{
    return &ask->flight->call->items[ask->first];
}

/* Whether somebody still wants the answer: a late call has its own already. */
static bool is_wanted(const struct ask *ask)
{
    return first_item(ask)->status == WEIR_PENDING;
}

/* One more of the ask's items has its answer. */
static void answer_step(struct redis_session *s)
{
    struct ask *ask = session_asked(s);

    ask->first++;
    if (--ask->n == 0)
        session_answered(s);
}

/* ---- values ---- */

/* Grows at once, shrinks slowly. */
static uint64_t guess_next(uint64_t guess, uint64_t size)
{
    return size >= guess ? size : guess - (guess - size) / 8;
}

/* Learns how long replies are, and the values in them: the next ones are asked
 * for, and received, accordingly. */
static void answer_learn(struct redis_session *s, int64_t size)
{
    if (size > LEARN_MAX)
        size = LEARN_MAX;
    if (size >= 0)
        s->guess = guess_next(s->guess, (uint64_t)size);
    s->reply = guess_next(s->reply, size >= 0 ? (uint64_t)size : 0);
    s->in.appetite = s->reply >= INBOX_DIRECT ? INBOX_TASTE : INBOX_BYTES;
}

/* A payload that is not here yet goes where it belongs. */
static void answer_payload(struct redis_session *s, uint64_t size)
{
    struct ask *ask = session_asked(s);
    struct weir_call *call = ask->flight->call;
    struct weir_item *item = first_item(ask);
    char *to = NULL;

    s->value = NULL;
    s->payload_status = WEIR_OK;
    if (is_wanted(ask)) {
        to = item->data;
        item->size = size;
        if (size > ask->flight->max_value || (to != NULL && size > item->cap)) {
            s->payload_status = WEIR_TOOBIG;
            to = NULL;
        } else if (to == NULL) {
            s->value = weir_value_new(size, &to);
            if (s->value == NULL)
                s->payload_status = WEIR_BUSY;
        }
    }
    inbox_expect(&s->in, to, size, s->value == NULL && to ? call : NULL);
}

/* Says which limit a value does not fit. */
static void refuse_size(struct ask *ask, uint64_t size)
{
    struct weir_call *call = ask->flight->call;
    struct weir_item *item = first_item(ask);
    uint64_t max = ask->flight->max_value;

    item->size = size;
    if (size > max)
        weir_call_fail(call, item, WEIR_TOOBIG,
                       "a value of %llu bytes: max_value is %llu",
                       (unsigned long long)size, (unsigned long long)max);
    else
        weir_call_fail(call, item, WEIR_TOOBIG,
                       "a value of %llu bytes does not fit the buffer of %llu",
                       (unsigned long long)size, (unsigned long long)item->cap);
}

/* The payload has come. */
static void answer_value(struct redis_session *s)
{
    struct ask *ask = session_asked(s);
    struct weir_call *call = ask->flight->call;
    struct weir_item *item = first_item(ask);

    if (!is_wanted(ask)) {
        answer_step(s);
        return;
    }
    if (s->in.taken_back)
        weir_call_fail(call, item, WEIR_SKIPPED, "the batch was abandoned");
    else if (s->payload_status == WEIR_TOOBIG)
        refuse_size(ask, item->size);
    else if (s->payload_status == WEIR_BUSY)
        weir_call_fail(call, item, WEIR_BUSY,
                       "out of memory for a value of %llu bytes",
                       (unsigned long long)item->size);
    else
        item->status = WEIR_OK;
    item->value = s->value;
    s->value = NULL;
    answer_step(s);
}

/* A nil: a miss, but an MGET's may be a key of another type: PASS_COUNT tells.
 */
static void answer_nil(struct redis_session *s)
{
    struct ask *ask = session_asked(s);

    answer_learn(s, -1);
    if (ask->kind == ASK_VALUE && is_wanted(ask))
        first_item(ask)->status = WEIR_MISS;
    answer_step(s);
}

/* A bulk's head was read and takes used bytes. */
static int answer_bulk(struct redis_session *s, int64_t length, size_t used)
{
    struct ask *ask = session_asked(s);
    struct weir_call *call = ask->flight->call;
    size_t there, size = (size_t)length;
    const char *at = inbox_at(&s->in, &there);

    if (length < 0) {
        inbox_consume(&s->in, used);
        answer_nil(s);
        return 1;
    }
    answer_learn(s, length);
    if (there - used < size + 2) {
        inbox_consume(&s->in, used);
        answer_payload(s, size);
        return 1;
    }
    if (at[used + size] != '\r' || at[used + size + 1] != '\n')
        return session_surprise(s, "the end of a value");
    if (is_wanted(ask) && size > ask->flight->max_value)
        refuse_size(ask, size);
    else if (is_wanted(ask))
        weir_call_answer(call, first_item(ask), at + used, size);
    inbox_consume(&s->in, used + size + 2);
    answer_step(s);
    return 1;
}

/* ---- the other replies ---- */

/* An error that says that another server should be asked: the session is
 * replaced, for which the address is resolved anew. But not more often than
 * once in RENEW_NS, since the next server may say the same. */
static void session_unfit(struct redis_session *s, const struct reply *error)
{
    enum refusal_verdict verdict = refusal_verdict(error);
    uint64_t now;

    if (verdict == REFUSAL_OF_NOW)
        return;
    now = weir_now();
    if (s->unfit_since == 0)
        s->unfit_since = now;
    s->renew |=
        now - s->connected_ns >= RENEW_NS &&
        (verdict == REFUSAL_OF_SERVER || now - s->unfit_since >= RENEW_NS);
}

/* An error answers all the items of the ask, unless another command may do. */
static void answer_error(struct redis_session *s, const struct reply *error)
{
    struct ask *ask = session_asked(s);
    struct flight *f = ask->flight;

    session_unfit(s, error);
    if (ask->kind == ASK_VALUES || ask->kind == ASK_COUNT ||
        (ask->kind == ASK_DONE && ask->n > 1)) {
        f->refused = true;
        s->no_multi |= refusal_of_many(error);
    } else if (ask->kind == ASK_UNLINK && refusal_of_command(error)) {
        f->refused = true;
        s->no_unlink = true;
    } else if (first_item(ask)->status == WEIR_PENDING) {
        weir_call_fail(f->call, first_item(ask), refusal_status(error), "-%.*s",
                       (int)error->length, error->text);
    }
    if (ask->kind == ASK_PAGE)
        scan_forget(f);
    session_answered(s);
}

static void answer_done(struct redis_session *s)
{
    struct ask *ask = session_asked(s);
    struct weir_item *item = first_item(ask);
    bool wanted = is_wanted(ask);

    for (uint32_t i = 0; i < ask->n && wanted; i++)
        item[i].status = WEIR_OK;
    session_answered(s);
}

/* EXISTS over all items without an answer. None of them is there, or all, or it
 * must be asked one by one which; where that happened it will again. */
static int answer_count(struct redis_session *s, int64_t found)
{
    struct ask *ask = session_asked(s);
    struct flight *f = ask->flight;
    struct weir_item *item = first_item(ask);
    bool all = f->call->op == WEIR_EXISTS && found == ask->n;

    if (found < 0 || found > ask->n)
        return session_surprise(s, "a number of keys");
    for (uint32_t i = 0; i < ask->n && (found == 0 || all); i++) {
        if (item[i].status == WEIR_PENDING)
            item[i].status = all ? WEIR_OK : WEIR_MISS;
    }
    if (found != 0 && !all) {
        f->refused = true;
        s->mixed = f->call->op == WEIR_EXISTS ? MIXED : s->mixed;
    }
    session_answered(s);
    return 1;
}

static int answer_integer(struct redis_session *s, int64_t number)
{
    struct ask *ask = session_asked(s);
    struct weir_item *item = first_item(ask);
    bool pending = item->status == WEIR_PENDING;

    switch (ask->kind) {
    case ASK_FOUND:
    case ASK_UNLINK:
        if (number != 0 && number != 1)
            return session_surprise(s, "0 or 1");
        if (pending)
            item->status = number == 1 ? WEIR_OK : WEIR_MISS;
        break;
    case ASK_COUNT:
        return answer_count(s, number);
    case ASK_LENGTH:
        if (number < 0)
            return session_surprise(s, "a length");
        item->size = (uint64_t)number;
        break;
    case ASK_LEFT:
        if (number < -2)
            return session_surprise(s, "a time to live");
        if (pending)
            item->status = number == -2 ? WEIR_MISS : WEIR_OK;
        /* 0 is the last millisecond, and for us for ever. */
        item->ttl_ms = number > 0 ? (uint64_t)number : number == 0;
        break;
    case ASK_IGNORED:
        break;
    default:
        return session_surprise(s, "another type of reply");
    }
    session_answered(s);
    return 1;
}

static bool is_value(const struct ask *ask)
{
    return ask->kind == ASK_VALUE || (ask->kind == ASK_VALUES && ask->opened);
}

/* Reads one line, and what follows it if that is here. */
static int answer_line(struct redis_session *s)
{
    struct ask *ask = session_asked(s);
    struct reply line;
    size_t len;
    const char *at = inbox_at(&s->in, &len);
    int used = reply_line(at, len, &line);

    if (used < 0)
        return session_surprise(s, "a reply");
    if (used == 0)
        return 0;
    if (line.type == REPLY_BULK && is_value(ask))
        return answer_bulk(s, line.number, (size_t)used);
    if (line.type == REPLY_ERROR && !ask->opened) {
        answer_error(s, &line);
    } else if (line.type == REPLY_INTEGER) {
        int rc = answer_integer(s, line.number);

        if (rc < 0)
            return rc;
    } else if (line.type == REPLY_STATUS && ask->kind == ASK_DONE &&
               line.length == 2 && line.text[0] == 'O' && line.text[1] == 'K') {
        answer_done(s);
    } else if (line.type == REPLY_ARRAY && ask->kind == ASK_VALUES &&
               !ask->opened && line.number == ask->n) {
        ask->opened = true;
    } else {
        return session_surprise(s, "another type of reply");
    }
    inbox_consume(&s->in, (size_t)used);
    return 1;
}

static bool is_page(struct redis_session *s)
{
    size_t len;
    const char *at = inbox_at(&s->in, &len);

    return session_asked(s)->kind == ASK_PAGE &&
           (s->page_stage != 0 || len == 0 || at[0] != REPLY_ERROR);
}

/* A reply before its command has left whole: that can be an error about what
 * has left, the length of a value for one, and then the server hangs up. */
static int answer_early(struct redis_session *s)
{
    const struct ask *ask = session_asked(s);
    struct reply line;
    size_t len;
    const char *at = inbox_at(&s->in, &len);
    int used;

    if (ask->begin >= s->out.sent || at[0] != REPLY_ERROR)
        return session_surprise(s, "nothing yet");
    used = reply_line(at, len, &line);
    if (used < 0)
        return session_surprise(s, "an error");
    if (used == 0)
        return 0;
    answer_error(s, &line);
    return -ECONNRESET;
}

/* One step: a payload's rest, a page's part, a line. */
static int answer_some(struct redis_session *s)
{
    bool bad = false;
    size_t len;

    if (s->in.filling) {
        if (inbox_filled(&s->in, &bad)) {
            if (session_asked(s)->kind != ASK_PAGE)
                answer_value(s);
            return 1;
        }
        return bad ? session_surprise(s, "the end of a value") : 0;
    }
    inbox_at(&s->in, &len);
    if (s->n_asks == 0)
        return len == 0 ? 0 : session_surprise(s, "nothing");
    if (session_asked(s)->end > s->out.sent)
        return len == 0 ? 0 : answer_early(s);
    return is_page(s) ? scan_read(s) : answer_line(s);
}

int answer_replies(struct redis_session *s, const struct flight *until)
{
    int rc = 1;

    while (rc > 0 && (until != NULL ? !until->over : s->n_asks > 0))
        rc = answer_some(s);
    return rc < 0 ? rc : 0;
}
