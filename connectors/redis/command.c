/* command.c -- encodes items as RESP commands.
 *
 * Short keys and values are copied to the outbox, long ones are sent from the
 * caller's memory. Many items with short values share an MGET or MSET, which
 * costs the server a third of the CPU time of single commands. */
#include "command.h"

#include <string.h>

#include "change.h"
#include "pipeline.h"
#include "put.h"
#include "scan.h"
#include "window.h"

enum {
    FRAME = 192,       /* most bytes of a command beside keys and values */
    MULTI_MIN = 8,     /* the fewest keys for MGET, MSET or EXISTS of many */
    MULTI_MAX = 128,   /* the most keys in one command */
    MGET_VALUE = 2048, /* longer values gain nothing from an MGET */
    MSET_VALUE = 8192, /* longer values gain nothing from an MSET */
    PUT_MAX = 4,       /* the most commands that one command_put adds */
};

static bool has_room(const struct redis_session *s, size_t bytes,
                     uint32_t segments)
{
    return outbox_has_room(&s->out, bytes + FRAME, segments + 8) &&
           s->n_commands + PUT_MAX <= REDIS_COMMANDS;
}

/* ---- one command for many keys ---- */

/* Adjacent items of a call that one command can carry. */
struct run {
    uint32_t n;
    size_t bytes;      /* to copy to the outbox */
    uint32_t segments; /* for values that are not copied */
    bool lent;         /* some values lie in lent memory ... */
    bool refers;       /* ... and are sent from there */
};

/* Adds an item to a run. False: it cannot share the command. */
static bool run_add(const struct redis_session *s, const struct progress *p,
                    const struct weir_item *item, struct run *run)
{
    size_t bytes = put_key_room(s, item);

    if (item->status != WEIR_PENDING || item->key_len >= KEY_COPY)
        return false;
    if (p->call->op == WEIR_SET) {
        if (window_value_size(item) >= MSET_VALUE || put_ttl(s, item) != 0)
            return false;
        bytes += put_copies(s, item) ? window_value_size(item) + 16 : 16;
        run->segments += put_copies(s, item) ? 0 : 2;
    }
    if (run->bytes + bytes > OUTBOX_BYTES - FRAME)
        return false;
    run->bytes += bytes;
    if (p->call->op == WEIR_SET && put_lends(item)) {
        run->lent = true;
        run->refers |= !put_copies(s, item);
    }
    run->n++;
    return true;
}

/* Returns the most items for one command. The whole reply of an MGET must fit
 * the window. */
static uint64_t run_most(const struct redis_session *s, uint32_t op)
{
    uint64_t most;

    if (op != WEIR_GET)
        return MULTI_MAX;
    if (s->reply_guess > MGET_VALUE)
        return 0;
    most = window_room(s) / (window_weight(s) + 1) + 1;
    return most < MULTI_MAX ? most : MULTI_MAX;
}

/* Whether two pending items may be in one command of many keys. */
static bool one_slot(const struct redis_session *s, const struct progress *p,
                     uint32_t i, uint32_t j)
{
    return p->errand == NULL || (progress_item(p, j)->status == WEIR_PENDING &&
                                 s->routing->same_slot(p, i, j));
}

/* Finds the items for the next command. n is 0 if they are too few for one
 * command of many keys. */
static struct run run_find(const struct redis_session *s,
                           const struct progress *p)
{
    struct run run = {0};
    uint64_t most;

    if (p->pass != PASS_FIRST || s->no_multi || !s->redis->config->multi ||
        p->n - p->next_item < MULTI_MIN ||
        !one_slot(s, p, p->next_item, p->next_item + 1))
        return run;
    most = run_most(s, p->call->op);
    for (uint32_t i = p->next_item; i < p->n && run.n < most; i++) {
        if (!one_slot(s, p, p->next_item, i) ||
            !run_add(s, p, progress_item(p, i), &run))
            break;
    }
    if (run.n < MULTI_MIN)
        run.n = 0;
    return run;
}

static void put_mget(struct redis_session *s, struct progress *p,
                     const struct run *run)
{
    put_head(&s->out, run->n + 1, "$4\r\nMGET\r\n");
    for (uint32_t i = 0; i < run->n; i++)
        put_key(s, progress_item(p, p->next_item + i));
    pipeline_add(s, p, EXPECT_VALUES, p->next_item, run->n,
                 run->n * window_weight(s));
}

static void put_mset(struct redis_session *s, struct progress *p,
                     const struct run *run)
{
    uint64_t weight = 0;

    put_head(&s->out, 2 * run->n + 1, "$4\r\nMSET\r\n");
    for (uint32_t i = 0; i < run->n; i++) {
        const struct weir_item *item = progress_item(p, p->next_item + i);

        put_key(s, item);
        put_value(s, item);
        weight += window_value_size(item);
    }
    pipeline_add(s, p, EXPECT_OK, p->next_item, run->n, weight);
}

bool command_counts(struct redis_session *s, const struct weir_call *call)
{
    if (s->singles > 0)
        s->singles--;
    else if (!s->no_multi && s->redis->config->multi && call->n >= MULTI_MIN)
        return true;
    return false;
}

/* Puts one EXISTS for the items without an answer, as many as fit. */
static bool put_count(struct redis_session *s, struct progress *p)
{
    uint32_t first = p->next_item, begin = first, end = first, n = 0;
    uint32_t segments = 0;
    size_t bytes = 0;

    for (; end < p->n; end++) {
        struct weir_item *item = progress_item(p, end);

        if (item->status != WEIR_PENDING)
            continue;
        if (n > 0 && !one_slot(s, p, begin, end))
            break;
        if (n == 0)
            begin = end;
        if (bytes + put_key_room(s, item) > OUTBOX_BYTES - FRAME ||
            n == MULTI_MAX)
            break;
        bytes += put_key_room(s, item);
        segments += item->key_len < KEY_COPY ? 0 : 2;
        n++;
    }
    if (!has_room(s, bytes, segments))
        return false;
    put_head(&s->out, n + 1, "$6\r\nEXISTS\r\n");
    for (uint32_t i = first; i < end; i++) {
        if (progress_item(p, i)->status == WEIR_PENDING)
            put_key(s, progress_item(p, i));
    }
    pipeline_add(s, p, EXPECT_COUNT, first, end - first, 0);
    p->next_item = end;
    return true;
}

/* ---- one command for one key ---- */

static void put_set(struct redis_session *s, struct progress *p,
                    struct weir_item *item)
{
    uint64_t ttl = put_ttl(s, item);
    struct outbox *o = &s->out;

    put_asking(s, p);
    put_head(o, ttl != 0 ? 5 : 3, "$3\r\nSET\r\n");
    put_key(s, item);
    put_value(s, item);
    if (ttl != 0) {
        put_text(o, "$2\r\nPX\r\n");
        outbox_number(o, ttl);
    }
    pipeline_add(s, p, EXPECT_OK, p->next_item, 1, window_value_size(item));
}

static void put_touch(struct redis_session *s, struct progress *p,
                      struct weir_item *item)
{
    put_asking(s, p);
    if (item->ttl_ms != 0) {
        put_head(&s->out, 3, "$7\r\nPEXPIRE\r\n");
        put_key(s, item);
        outbox_number(&s->out, put_ttl_bounded(item->ttl_ms));
    } else {
        /* PERSIST replies 0 both for a missing key and for a key without
         * expiry, so the EXISTS decides. */
        put_head(&s->out, 2, "$7\r\nPERSIST\r\n");
        put_key(s, item);
        pipeline_add(s, p, EXPECT_IGNORED, p->next_item, 1, 0);
        put_asking(s, p);
        put_head(&s->out, 2, "$6\r\nEXISTS\r\n");
        put_key(s, item);
    }
    pipeline_add(s, p, EXPECT_FOUND, p->next_item, 1, 0);
}

/* Puts a command that has only a name and a key. */
static void put_plain(struct redis_session *s, struct progress *p,
                      struct weir_item *item, const char *name,
                      enum expect expects)
{
    put_asking(s, p);
    put_head(&s->out, 2, name);
    put_key(s, item);
    pipeline_add(s, p, expects, p->next_item, 1,
                 expects == EXPECT_VALUE ? window_weight(s) : 0);
}

static void put_single(struct redis_session *s, struct progress *p,
                       struct weir_item *item)
{
    switch (p->call->op) {
    case WEIR_GET:
        put_plain(s, p, item, "$3\r\nGET\r\n", EXPECT_VALUE);
        break;
    case WEIR_SET:
        put_set(s, p, item);
        break;
    case WEIR_EXISTS:
        put_plain(s, p, item, "$6\r\nEXISTS\r\n", EXPECT_FOUND);
        break;
    case WEIR_DELETE:
        if (s->no_unlink)
            put_plain(s, p, item, "$3\r\nDEL\r\n", EXPECT_FOUND);
        else
            put_plain(s, p, item, "$6\r\nUNLINK\r\n", EXPECT_UNLINK);
        break;
    case WEIR_STAT:
        put_plain(s, p, item, "$6\r\nSTRLEN\r\n", EXPECT_LENGTH);
        put_plain(s, p, item, "$4\r\nPTTL\r\n", EXPECT_TTL);
        break;
    case WEIR_TOUCH:
        put_touch(s, p, item);
        break;
    default:
        change_put(s, p, item);
    }
}

/* ---- the next command ---- */

static bool put_run(struct redis_session *s, struct progress *p,
                    const struct run *run)
{
    if (!has_room(s, run->bytes, run->segments))
        return false;
    if (p->call->op == WEIR_GET)
        put_mget(s, p, run);
    else
        put_mset(s, p, run);
    p->next_item += run->n;
    return true;
}

static bool put_one(struct redis_session *s, struct progress *p)
{
    struct weir_item *item = progress_item(p, p->next_item);
    size_t bytes = 2 * put_key_room(s, item);

    if (window_sends(p->call->op) && put_copies(s, item))
        bytes += window_value_size(item);
    if (change_puts(p->call->op))
        bytes += CHANGE_ROOM;
    if (!has_room(s, bytes, 0))
        return false;
    put_single(s, p, item);
    p->next_item++;
    return true;
}

/* Answers the next n items if their memory, which was taken back, was lent. */
static void skip_abandoned(struct progress *p, uint32_t n)
{
    for (uint32_t i = p->next_item; n > 0; n--, i++) {
        struct weir_item *item = progress_item(p, i);

        if (put_lends(item))
            weir_call_taken_back(p->call, item);
    }
}

/* Describes the next item alone, with n = 0. */
static struct run run_single(const struct redis_session *s,
                             const struct progress *p)
{
    const struct weir_item *item = progress_item(p, p->next_item);
    bool lent = window_sends(p->call->op) && put_lends(item);

    return (struct run){.lent = lent, .refers = lent && !put_copies(s, item)};
}

/* Puts a command for a run, or for one item if run->n is 0. Lent memory is held
 * while it is copied. If it was taken back, no command is put. */
static bool put_next(struct redis_session *s, struct progress *p,
                     const struct run *run)
{
    bool put;

    if (run->lent && !weir_call_lend(p->call)) {
        skip_abandoned(p, run->n > 0 ? run->n : 1);
        return true;
    }
    if (run->refers)
        outbox_lend(&s->out, p->call);
    put = run->n > 0 ? put_run(s, p, run) : put_one(s, p);
    if (run->refers)
        outbox_lend(&s->out, NULL);
    if (run->lent)
        weir_call_unlend(p->call);
    return put;
}

bool command_put(struct redis_session *s, struct progress *p)
{
    struct weir_call *call = p->call;
    struct run run = {0};

    if (progress_is_scan(p))
        return scan_put(s, p);
    while (p->next_item < p->n &&
           progress_item(p, p->next_item)->status != WEIR_PENDING)
        p->next_item++;
    if (p->next_item == p->n)
        return true;
    if (p->by_slot)
        return s->routing->put(s, p);
    if (p->pass == PASS_COUNT)
        return put_count(s, p);
    if (call->op == WEIR_GET || call->op == WEIR_SET)
        run = run_find(s, p);
    if (run.n == 0)
        run = run_single(s, p);
    return put_next(s, p, &run);
}
