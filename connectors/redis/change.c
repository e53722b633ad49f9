/* change.c -- see change.h.
 *
 * An atomic op is one command of Redis where there is one that does all of it:
 * SET NX, INCRBY, GETEX (6.2). Else it is a script, which the server runs
 * without other commands in between. Each op is one command, so a connection
 * that breaks leaves it done or not done, and nothing here sends it again. */
#include "change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"
#include "put.h"
#include "reply.h"
#include "window.h"

/* Redis itself keeps no longer value. */
#define VALUE_MAX ((uint64_t)512 << 20)

/* ARGV: the version in hexadecimal digits, the value, the time to live or 0. */
static const char CAS[] =
    "local v=redis.call('GET',KEYS[1]) "
    "if not v then return 0 end "
    "if redis.sha1hex(v):sub(1,16)~=ARGV[1] then return -1 end "
    "if ARGV[3]=='0' then redis.call('SET',KEYS[1],ARGV[2]) "
    "else redis.call('SET',KEYS[1],ARGV[2],'PX',ARGV[3]) end "
    "return 1";

/* ARGV: what to add, the time to live. The sum comes back as a status, since a
 * number of Lua has 53 bits. */
static const char INCR[] =
    "local new=redis.call('EXISTS',KEYS[1])==0 "
    "redis.call('INCRBY',KEYS[1],ARGV[1]) "
    "if new then redis.call('PEXPIRE',KEYS[1],ARGV[2]) end "
    "return {ok=redis.call('GET',KEYS[1])}";

/* ARGV: the bytes, the time to live or 0, the longest value. */
static const char APPEND[] =
    "local n=redis.call('STRLEN',KEYS[1])+#ARGV[1] "
    "if n>tonumber(ARGV[3]) then return -1 end "
    "local new=redis.call('EXISTS',KEYS[1])==0 "
    "redis.call('APPEND',KEYS[1],ARGV[1]) "
    "if new and ARGV[2]~='0' then redis.call('PEXPIRE',KEYS[1],ARGV[2]) end "
    "return n";

/* ARGV: the longest value. A longer one comes back, but stays. */
static const char TAKE[] =
    "local v=redis.call('GET',KEYS[1]) "
    "if v and #v<=tonumber(ARGV[1]) then redis.call('DEL',KEYS[1]) end "
    "return v";

/* ---- encoding ---- */

static void put_integer(struct outbox *o, int64_t number)
{
    char digits[WEIR_NUMBER_MAX + 1], text[2 * WEIR_NUMBER_MAX];
    int len = snprintf(digits, sizeof digits, "%" PRId64, number);

    snprintf(text, sizeof text, "$%d\r\n%s\r\n", len, digits);
    put_text(o, text);
}

/* Puts the begin of a script for one key. */
static void put_script(struct redis_session *s, const struct weir_item *item,
                       const char *script, uint64_t arguments)
{
    struct outbox *o = &s->out;

    put_head(o, 4 + arguments, "$4\r\nEVAL\r\n");
    outbox_line(o, '$', strlen(script));
    put_text(o, script);
    put_text(o, "\r\n$1\r\n1\r\n");
    put_key(s, item);
}

/* Puts SET with a condition: "$2\r\nNX\r\n". */
static void put_set_if(struct redis_session *s, const struct weir_item *item,
                       const char *condition)
{
    uint64_t ttl = put_ttl(s, item);
    struct outbox *o = &s->out;

    put_head(o, ttl != 0 ? 6 : 4, "$3\r\nSET\r\n");
    put_key(s, item);
    put_value(s, item);
    if (ttl != 0) {
        put_text(o, "$2\r\nPX\r\n");
        outbox_number(o, ttl);
    }
    put_text(o, condition);
}

static void put_cas(struct redis_session *s, const struct weir_item *item)
{
    char version[32];

    put_script(s, item, CAS, 3);
    snprintf(version, sizeof version, "$16\r\n%016" PRIx64 "\r\n",
             (uint64_t)item->number);
    put_text(&s->out, version);
    put_value(s, item);
    outbox_number(&s->out, put_ttl(s, item));
}

static void put_incr(struct redis_session *s, const struct weir_item *item)
{
    uint64_t ttl = put_ttl(s, item);
    struct outbox *o = &s->out;

    if (ttl != 0) {
        put_script(s, item, INCR, 2);
    } else {
        put_head(o, 3, "$6\r\nINCRBY\r\n");
        put_key(s, item);
    }
    put_integer(o, item->number);
    if (ttl != 0)
        outbox_number(o, ttl);
}

static void put_append(struct redis_session *s, const struct weir_call *call,
                       const struct weir_item *item)
{
    uint64_t ttl = put_ttl(s, item), max = weir_call_max_value(call);
    bool script = ttl != 0 || max < VALUE_MAX;
    struct outbox *o = &s->out;

    if (script) {
        put_script(s, item, APPEND, 3);
    } else {
        put_head(o, 3, "$6\r\nAPPEND\r\n");
        put_key(s, item);
    }
    put_value(s, item);
    if (!script)
        return;
    outbox_number(o, ttl);
    outbox_number(o, max);
}

static void put_gat(struct redis_session *s, const struct weir_item *item)
{
    struct outbox *o = &s->out;

    put_head(o, item->ttl_ms != 0 ? 4 : 3, "$5\r\nGETEX\r\n");
    put_key(s, item);
    if (item->ttl_ms == 0) {
        put_text(o, "$7\r\nPERSIST\r\n");
        return;
    }
    put_text(o, "$2\r\nPX\r\n");
    outbox_number(o, put_ttl_bounded(item->ttl_ms));
}

/* GETDEL would remove a value that there is no room for. */
static void put_take(struct redis_session *s, const struct weir_call *call,
                     const struct weir_item *item)
{
    uint64_t max = weir_call_max_value(call);

    if (item->data != NULL && item->cap < max)
        max = item->cap;
    if (max < VALUE_MAX) {
        put_script(s, item, TAKE, 1);
        outbox_number(&s->out, max);
        return;
    }
    put_head(&s->out, 2, "$6\r\nGETDEL\r\n");
    put_key(s, item);
}

static enum expect put_op(struct redis_session *s, const struct weir_call *call,
                          const struct weir_item *item)
{
    switch (call->op) {
    case WEIR_ADD:
        put_set_if(s, item, "$2\r\nNX\r\n");
        return EXPECT_STORED;
    case WEIR_REPLACE:
        put_set_if(s, item, "$2\r\nXX\r\n");
        return EXPECT_STORED;
    case WEIR_CAS:
        put_cas(s, item);
        return EXPECT_CHANGED;
    case WEIR_INCR:
        put_incr(s, item);
        return EXPECT_NUMBER;
    case WEIR_APPEND:
        put_append(s, call, item);
        return EXPECT_NUMBER;
    case WEIR_GAT:
        put_gat(s, item);
        return EXPECT_VALUE;
    default:
        put_take(s, call, item);
        return EXPECT_VALUE;
    }
}

void change_put(struct redis_session *s, struct progress *p,
                struct weir_item *item)
{
    enum expect expects;
    uint64_t weight = 0;

    put_asking(s, p);
    expects = put_op(s, p->call, item);
    if (expects == EXPECT_VALUE)
        weight = window_weight(s);
    else if (window_sends(p->call->op))
        weight = window_value_size(item);
    pipeline_add(s, p, expects, p->next_item, 1, weight);
}

/* ---- replies ---- */

static bool answer_stored(const struct weir_call *call, struct weir_item *item,
                          const struct reply *line)
{
    if (line->type == REPLY_STATUS && line->length == 2 &&
        memcmp(line->text, "OK", 2) == 0)
        item->status = WEIR_OK;
    else if (line->type == REPLY_BULK && line->number < 0)
        item->status = call->op == WEIR_ADD ? WEIR_REJECTED : WEIR_MISS;
    else
        return false;
    return true;
}

static bool answer_changed(struct weir_item *item, const struct reply *line)
{
    if (line->type != REPLY_INTEGER || line->number < -1 || line->number > 1)
        return false;
    item->status = line->number == 1   ? WEIR_OK
                   : line->number == 0 ? WEIR_MISS
                                       : WEIR_REJECTED;
    return true;
}

/* Parses the sum that the script of incr returns. */
static bool parse_sum(const struct reply *line, int64_t *sum)
{
    char digits[WEIR_NUMBER_MAX + 1], *end;

    if (line->length == 0 || line->length > WEIR_NUMBER_MAX)
        return false;
    memcpy(digits, line->text, line->length);
    digits[line->length] = '\0';
    *sum = strtoll(digits, &end, 10);
    return *end == '\0';
}

static bool answer_number(struct weir_call *call, struct weir_item *item,
                          const struct reply *line)
{
    bool append = call->op == WEIR_APPEND;

    if (line->type == REPLY_INTEGER && (!append || line->number >= 0)) {
        item->number = line->number;
    } else if (line->type == REPLY_INTEGER && line->number == -1) {
        weir_call_fail(call, item, WEIR_TOOBIG,
                       "the longer value would exceed max_value, %" PRIu64
                       " bytes",
                       weir_call_max_value(call));
        return true;
    } else if (append || line->type != REPLY_STATUS ||
               !parse_sum(line, &item->number)) {
        return false;
    }
    item->status = WEIR_OK;
    return true;
}

bool change_answer(struct weir_call *call, struct weir_item *item,
                   enum expect expects, const struct reply *line)
{
    switch (expects) {
    case EXPECT_STORED:
        return answer_stored(call, item, line);
    case EXPECT_CHANGED:
        return answer_changed(item, line);
    default:
        return answer_number(call, item, line);
    }
}
