/* answer.c -- reads replies and answers items with them.
 *
 * A reply belongs to the oldest command. If it has another type than this
 * command expects, the session ends and no later reply is used. A reply too
 * many also ends the session, but replies carry no number: if it has the type
 * that the next command expects, it is noticed only when no command is in
 * flight any more. Calls that were finished before keep their answers. */
#include "answer.h"

#include <errno.h>
#include <string.h>

#include "change.h"
#include "fail.h"
#include "pipeline.h"
#include "refusal.h"
#include "reply.h"
#include "scan.h"

/* After an EXISTS of many keys found some but not all, so many exists use
 * single commands. Each key in an EXISTS of many costs the server a third of a
 * command of its own, so a count that must be repeated does not pay. */
enum { SINGLES = 16 };

/* An error that says that this server cannot serve us ends a session only if
 * the session, or such errors in a row, is at least 1 s old. */
#define RENEW_NS ((uint64_t)1000000000)

/* The guesses learn no larger size: 512 MiB is the limit of Redis. */
#define LEARN_MAX ((int64_t)512 << 20)

/* Returns item i of a command. */
static struct weir_item *command_item(const struct command *command, uint32_t i)
{
    return progress_item(command->progress, command->first + i);
}

static struct weir_item *first_item(const struct command *command)
{
    return progress_item(command->progress, command->first);
}

/* Whether the first item has no answer yet. Items of late calls have one. */
static bool is_wanted(const struct command *command)
{
    return first_item(command)->status == WEIR_PENDING;
}

/* Goes on to the next item of the oldest command. */
static void answer_next(struct redis_session *s)
{
    struct command *command = pipeline_oldest(s);

    command->first++;
    if (--command->n == 0)
        pipeline_replied(s);
}

/* ---- values ---- */

/* The guess grows at once and shrinks slowly. */
static uint64_t guess_next(uint64_t guess, uint64_t size)
{
    return size >= guess ? size : guess - (guess - size) / 8;
}

/* Updates the guesses of the sizes of values and replies after a reply with a
 * value of this size, or -1 for nil. */
static void answer_learn(struct redis_session *s, int64_t size)
{
    if (size > LEARN_MAX)
        size = LEARN_MAX;
    if (size >= 0)
        s->value_guess = guess_next(s->value_guess, (uint64_t)size);
    s->reply_guess = guess_next(s->reply_guess, size >= 0 ? (uint64_t)size : 0);
    s->in.limit = s->reply_guess >= INBOX_DIRECT ? INBOX_LINES : INBOX_BYTES;
}

/* Tells the inbox where the payload goes, which has not been received
 * completely. The payload of an item that has an answer is discarded. */
static void answer_payload(struct redis_session *s, uint64_t size)
{
    struct command *command = pipeline_oldest(s);
    struct weir_call *call = command->progress->call;
    struct weir_item *item = first_item(command);
    char *to = NULL;

    if (is_wanted(command))
        weir_call_place(call, item, size, &to);
    inbox_expect(&s->in, to, size, item->data != NULL ? call : NULL);
}

/* Answers an item whose payload was received. */
static void answer_value(struct redis_session *s)
{
    struct command *command = pipeline_oldest(s);

    if (is_wanted(command) && s->in.taken_back)
        weir_call_taken_back(command->progress->call, first_item(command));
    else if (is_wanted(command))
        first_item(command)->status = WEIR_OK;
    answer_next(s);
}

/* Answers nil. In the reply to an MGET it may be a key of another type, so the
 * item stays pending for PASS_COUNT. */
static void answer_nil(struct redis_session *s)
{
    struct command *command = pipeline_oldest(s);

    answer_learn(s, -1);
    if (command->expects == EXPECT_VALUE && is_wanted(command))
        first_item(command)->status = WEIR_MISS;
    answer_next(s);
}

/* Reads a value whose head of used bytes was read but not consumed. */
static int answer_bulk(struct redis_session *s, int64_t length, size_t used)
{
    struct command *command = pipeline_oldest(s);
    struct weir_call *call = command->progress->call;
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
        return fail_unexpected(s, "the end of a value");
    if (is_wanted(command))
        weir_call_answer(call, first_item(command), at + used, size);
    inbox_consume(&s->in, used + size + 2);
    answer_next(s);
    return 1;
}

/* ---- the other replies ---- */

/* Notes an error that says that this server cannot serve us. The session is
 * replaced, which resolves the address anew, but at most once in RENEW_NS: the
 * next server may reply with the same error. */
static void answer_unfit(struct redis_session *s, const struct reply *error)
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

/* Whether a cluster's node answered with an error that its items survive. */
static bool answer_elsewhere(struct redis_session *s, struct command *command,
                             const struct reply *error)
{
    return command->expects == EXPECT_STATUS ||
           (command->expects != EXPECT_PAGE &&
            s->routing->redirect(s, command, error));
}

/* Answers the items of a command with an error, unless another command can be
 * tried for them. */
static void answer_error(struct redis_session *s, const struct reply *error)
{
    struct command *command = pipeline_oldest(s);
    struct progress *p = command->progress;

    if (s->routing != NULL && answer_elsewhere(s, command, error)) {
        pipeline_replied(s);
        return;
    }
    answer_unfit(s, error);
    if (command->expects == EXPECT_VALUES || command->expects == EXPECT_COUNT ||
        (command->expects == EXPECT_OK && command->n > 1)) {
        p->refused = true;
        s->no_multi |= refusal_of_many(error);
    } else if (command->expects == EXPECT_UNLINK && refusal_of_command(error)) {
        p->refused = true;
        s->no_unlink = true;
    } else if (first_item(command)->status == WEIR_PENDING) {
        weir_call_fail(p->call, first_item(command), refusal_status(error),
                       "%s-%.*s%s", s->node != NULL ? s->node : "",
                       (int)refusal_length(error), error->text,
                       s->routing == NULL ? refusal_advice(error) : "");
    }
    if (command->expects == EXPECT_PAGE)
        scan_reset(p);
    pipeline_replied(s);
}

static void answer_ok(struct redis_session *s)
{
    struct command *command = pipeline_oldest(s);
    bool wanted = is_wanted(command);

    for (uint32_t i = 0; i < command->n && wanted; i++)
        command_item(command, i)->status = WEIR_OK;
    pipeline_replied(s);
}

/* Answers the reply to an EXISTS of many keys. If only some of them exist, each
 * key needs a command of its own, and probably so in the next calls. */
static int answer_count(struct redis_session *s, int64_t found)
{
    struct command *command = pipeline_oldest(s);
    struct progress *p = command->progress;
    bool all = p->call->op == WEIR_EXISTS && found == command->n;

    if (found < 0 || found > command->n)
        return fail_unexpected(s, "a number of keys");
    for (uint32_t i = 0; i < command->n && (found == 0 || all); i++) {
        struct weir_item *item = command_item(command, i);

        if (item->status == WEIR_PENDING)
            item->status = all ? WEIR_OK : WEIR_MISS;
    }
    if (found != 0 && !all) {
        p->refused = true;
        s->singles = p->call->op == WEIR_EXISTS ? SINGLES : s->singles;
    }
    pipeline_replied(s);
    return 1;
}

static int answer_integer(struct redis_session *s, int64_t number)
{
    struct command *command = pipeline_oldest(s);
    struct weir_item *item = first_item(command);
    bool pending = item->status == WEIR_PENDING;

    switch (command->expects) {
    case EXPECT_FOUND:
    case EXPECT_UNLINK:
        if (number != 0 && number != 1)
            return fail_unexpected(s, "0 or 1");
        if (pending)
            item->status = number == 1 ? WEIR_OK : WEIR_MISS;
        break;
    case EXPECT_COUNT:
        return answer_count(s, number);
    case EXPECT_LENGTH:
        if (number < 0)
            return fail_unexpected(s, "a length");
        item->size = (uint64_t)number;
        break;
    case EXPECT_TTL:
        if (number < -2)
            return fail_unexpected(s, "a time to live");
        if (pending)
            item->status = number == -2 ? WEIR_MISS : WEIR_OK;
        /* 0 means that the last millisecond runs. For weir 0 is "never". */
        item->ttl_ms = number > 0 ? (uint64_t)number : number == 0;
        break;
    case EXPECT_IGNORED:
        break;
    default:
        return fail_unexpected(s, "another type of reply");
    }
    pipeline_replied(s);
    return 1;
}

static bool is_value(const struct command *command)
{
    return command->expects == EXPECT_VALUE ||
           (command->expects == EXPECT_VALUES && command->array_begun);
}

static bool expects_ok(const struct command *command)
{
    return command->expects == EXPECT_OK || command->expects == EXPECT_STATUS;
}

static bool is_change(const struct command *command)
{
    return command->expects == EXPECT_STORED ||
           command->expects == EXPECT_CHANGED ||
           command->expects == EXPECT_NUMBER;
}

/* Answers a reply to an atomic op. Returns false if it has another type. */
static bool answer_change(struct redis_session *s, const struct reply *line)
{
    struct command *command = pipeline_oldest(s);
    bool expected = line->type == REPLY_STATUS || line->type == REPLY_INTEGER ||
                    (line->type == REPLY_BULK && line->number < 0);

    if (expected && is_wanted(command))
        expected = change_answer(command->progress->call, first_item(command),
                                 command->expects, line);
    if (expected)
        pipeline_replied(s);
    return expected;
}

/* Reads one line, and the value after it if it has been received. */
static int answer_line(struct redis_session *s)
{
    struct command *command = pipeline_oldest(s);
    struct reply line;
    size_t len;
    const char *at = inbox_at(&s->in, &len);
    int used = reply_line(at, len, &line);

    if (used < 0)
        return fail_unexpected(s, "a reply");
    if (used == 0)
        return 0;
    if (line.type == REPLY_BULK && is_value(command))
        return answer_bulk(s, line.number, (size_t)used);
    if (line.type == REPLY_ERROR && !command->array_begun) {
        answer_error(s, &line);
    } else if (is_change(command)) {
        if (!answer_change(s, &line))
            return fail_unexpected(s, "another type of reply");
    } else if (line.type == REPLY_INTEGER) {
        int rc = answer_integer(s, line.number);

        if (rc < 0)
            return rc;
    } else if (line.type == REPLY_STATUS && expects_ok(command) &&
               line.length == 2 && line.text[0] == 'O' && line.text[1] == 'K') {
        answer_ok(s);
    } else if (line.type == REPLY_STATUS && command->expects == EXPECT_QUEUED &&
               line.length == 6 && memcmp(line.text, "QUEUED", 6) == 0) {
        pipeline_replied(s);
    } else if (line.type == REPLY_ARRAY && command->expects == EXPECT_VALUES &&
               !command->array_begun && line.number == command->n) {
        command->array_begun = true;
    } else {
        return fail_unexpected(s, "another type of reply");
    }
    inbox_consume(&s->in, (size_t)used);
    return 1;
}

static bool is_page(struct redis_session *s)
{
    size_t len;
    const char *at = inbox_at(&s->in, &len);

    return command_lists_keys(pipeline_oldest(s)) &&
           (s->page_stage != 0 || len == 0 || at[0] != REPLY_ERROR);
}

/* Reads a reply to a command that was not sent completely. This can only be an
 * error, for instance about the length of a value. Then the server closes the
 * connection. */
static int answer_early(struct redis_session *s)
{
    const struct command *command = pipeline_oldest(s);
    struct reply line;
    size_t len;
    const char *at = inbox_at(&s->in, &len);
    int used;

    if (command->begin >= s->out.sent || at[0] != REPLY_ERROR)
        return fail_unexpected(s, "no reply yet");
    used = reply_line(at, len, &line);
    if (used < 0)
        return fail_unexpected(s, "an error");
    if (used == 0)
        return 0;
    answer_error(s, &line);
    return -ECONNRESET;
}

/* Reads one part: the rest of a payload, a part of a page, or a line. */
static int answer_some(struct redis_session *s)
{
    bool bad = false;
    size_t len;

    if (s->in.filling) {
        if (inbox_filled(&s->in, &bad)) {
            if (!command_lists_keys(pipeline_oldest(s)))
                answer_value(s);
            return 1;
        }
        return bad ? fail_unexpected(s, "the end of a value") : 0;
    }
    inbox_at(&s->in, &len);
    if (s->n_commands == 0)
        return len == 0 ? 0 : fail_unexpected(s, "no reply");
    if (pipeline_oldest(s)->end > s->out.sent)
        return len == 0 ? 0 : answer_early(s);
    return is_page(s) ? scan_read(s) : answer_line(s);
}

int answer_replies(struct redis_session *s, const struct progress *until)
{
    int rc = 1;

    while (rc > 0 && (until != NULL ? !until->done : s->n_commands > 0))
        rc = answer_some(s);
    return rc < 0 ? rc : 0;
}
