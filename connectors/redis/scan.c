/* scan.c -- SCAN: lists keys with a prefix, page by page.
 *
 * The prefix is literal, so the special characters of MATCH are escaped in it.
 * SCAN's COUNT limits the keys that the server looks at, not those that match:
 * many replies are empty. A page is the first reply that is not. A reply is
 *     *2  $cursor  *n  $key ... $key
 * and is read as it arrives. weir allows no empty keys and none longer than
 * WEIR_KEY_MAX: these are left out and counted. */
#include "scan.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "pipeline.h"
#include "reply.h"

enum {
    SCAN_COUNT = 1000,       /* default of COUNT */
    SCAN_COUNT_MAX = 10000,  /* more would block the server for long */
    SCAN_ROUNDS = 100,       /* empty replies until a page is empty */
    SCAN_COPY = 1024,        /* shorter patterns are copied to the outbox */
    SCAN_KEYS_MAX = 1 << 20, /* a reply of more keys is against the protocol */
    SCAN_READ_MAX = 1 << 30, /* a reply of more bytes of keys, too */
    SCAN_PAGE_MAX = 128 << 20, /* bytes of a page in memory */
};

/* The part of a reply that is read next. */
enum scan_stage { SCAN_REPLY, SCAN_CURSOR, SCAN_KEYS, SCAN_KEY };

/* Copies bytes, escaped for MATCH, to out, which has room for 2 * len. Returns
 * the length. */
static size_t scan_escape(char *out, const char *bytes, size_t len)
{
    char *to = out;

    for (size_t i = 0; i < len; i++) {
        if (memchr("*?[]\\", bytes[i], 5) != NULL)
            *to++ = '\\';
        *to++ = bytes[i];
    }
    return (size_t)(to - out);
}

static bool scan_pattern(struct redis_session *s, struct progress *p,
                         const struct weir_item *item)
{
    size_t prefix = s->redis->prefix_len;
    char *pattern = malloc(2 * (prefix + item->key_len) + 1);
    size_t len;

    if (pattern == NULL)
        return false;
    len = scan_escape(pattern, s->redis->config->prefix, prefix);
    len += scan_escape(pattern + len, item->key, item->key_len);
    pattern[len++] = '*';
    p->pattern = pattern;
    p->pattern_len = len;
    return true;
}

static void put_pattern(struct outbox *o, const struct progress *p)
{
    outbox_line(o, '$', p->pattern_len);
    if (p->pattern_len < SCAN_COPY)
        outbox_copy(o, p->pattern, p->pattern_len);
    else
        outbox_refer(o, p->pattern, p->pattern_len);
    outbox_copy(o, "\r\n", 2);
}

bool scan_put(struct redis_session *s, struct progress *p)
{
    struct weir_item *item = progress_item(p, p->next_item);
    uint64_t count = item->cap != 0 ? item->cap : SCAN_COUNT;
    struct outbox *o = &s->out;

    if (!outbox_has_room(o, SCAN_COPY + 256, 4) ||
        s->n_commands == REDIS_COMMANDS)
        return false;
    if (p->pattern == NULL) {
        if (!scan_pattern(s, p, item)) {
            weir_call_no_memory(p->call, item, "a pattern of keys");
            p->next_item++;
            return true;
        }
        p->cursor = item->cursor;
        p->rounds = 0;
    }
    outbox_copy(o, "*6\r\n$4\r\nSCAN\r\n", 14);
    outbox_number(o, p->cursor);
    outbox_copy(o, "$5\r\nMATCH\r\n", 11);
    put_pattern(o, p);
    outbox_copy(o, "$5\r\nCOUNT\r\n", 11);
    outbox_number(o, count < SCAN_COUNT_MAX ? count : SCAN_COUNT_MAX);
    pipeline_add(s, p, EXPECT_PAGE, p->next_item, 1, 0);
    p->rounds++;
    p->next_item++;
    return true;
}

void scan_reset(struct progress *p)
{
    free(p->pattern);
    p->pattern = NULL;
    p->page.size = p->page.keys = 0;
}

/* ---- the reply ---- */

/* Ends a reply: answers the page, or goes on with another SCAN. */
static void scan_end(struct redis_session *s)
{
    struct command *command = pipeline_oldest(s);
    struct progress *p = command->progress;
    struct weir_item *item = progress_item(p, command->first);

    s->page_stage = SCAN_REPLY;
    if (p->by_slot) {
        s->routing->listed(s, command);
        pipeline_replied(s);
        return;
    }
    p->cursor = s->page_cursor;
    if (item->status == WEIR_PENDING && p->page.keys == 0 && p->cursor != 0 &&
        p->rounds < SCAN_ROUNDS) {
        p->next_item = command->first;
    } else {
        if (item->status == WEIR_PENDING)
            weir_page_answer(p->call, item, &p->page, p->cursor);
        scan_reset(p);
    }
    pipeline_replied(s);
}

/* Adds a key to the page, without the store's prefix. */
static void scan_keep(struct redis_session *s, const char *key, size_t len)
{
    struct command *command = pipeline_oldest(s);
    struct progress *p = command->progress;
    struct weir_item *item = progress_item(p, command->first);
    size_t prefix = s->redis->prefix_len;

    if (len < prefix || memcmp(key, s->redis->config->prefix, prefix) != 0 ||
        item->status != WEIR_PENDING)
        return;
    if (len == prefix || len - prefix > WEIR_KEY_MAX) {
        atomic_fetch_add(&s->redis->left_out, 1);
        return;
    }
    if (p->by_slot) {
        s->routing->keep(s, p, key + prefix, len - prefix);
        return;
    }
    if (p->page.size > SCAN_PAGE_MAX - 2 * WEIR_KEY_MAX) {
        weir_call_fail(p->call, item, WEIR_TOOBIG,
                       "a page of keys of more than %d MiB: request fewer",
                       SCAN_PAGE_MAX >> 20);
        free(p->page.data);
        p->page = (struct weir_page){0};
    } else if (weir_page_add(&p->page, key + prefix, (uint32_t)(len - prefix),
                             UINT64_MAX, UINT64_MAX) < 0)
        weir_call_no_memory(p->call, item, "a page of keys");
}

/* Finds the bytes of a bulk string after its head of used bytes. Returns 1, or
 * 0 if they have not been received, or -EPROTO. */
static int scan_bulk(struct redis_session *s, size_t used, size_t len,
                     const char **bytes)
{
    size_t there;
    const char *at = inbox_at(&s->in, &there);

    if (there < used + len + 2)
        return 0;
    *bytes = at + used;
    if (memcmp(*bytes + len, "\r\n", 2) != 0)
        return fail_unexpected(s, "the end of a key");
    return 1;
}

static int scan_cursor(struct redis_session *s, const struct reply *line,
                       size_t used)
{
    const char *bytes;
    uint64_t cursor = 0;
    int rc;

    if (line->type != REPLY_BULK || line->number < 1 || line->number > 20)
        return fail_unexpected(s, "a cursor");
    rc = scan_bulk(s, used, (size_t)line->number, &bytes);
    if (rc <= 0)
        return rc;
    for (int64_t i = 0; i < line->number; i++) {
        if (bytes[i] < '0' || bytes[i] > '9' ||
            __builtin_mul_overflow(cursor, 10u, &cursor) ||
            __builtin_add_overflow(cursor, (uint64_t)(bytes[i] - '0'), &cursor))
            return fail_unexpected(s, "a cursor");
    }
    s->page_cursor = cursor;
    s->page_stage = SCAN_KEYS;
    inbox_consume(&s->in, used + (size_t)line->number + 2);
    return 1;
}

static int scan_key(struct redis_session *s, const struct reply *line,
                    size_t used)
{
    size_t len = (size_t)line->number;
    const char *bytes;
    int rc;

    if (line->type != REPLY_BULK || line->number < 0 ||
        len > SCAN_READ_MAX - s->page_bytes)
        return fail_unexpected(s, "a key");
    s->page_bytes += len;
    if (len > WEIR_KEY_MAX + s->redis->prefix_len) {
        atomic_fetch_add(&s->redis->left_out, 1);
        inbox_consume(&s->in, used);
        inbox_expect(&s->in, NULL, len, NULL);
    } else {
        rc = scan_bulk(s, used, len, &bytes);
        if (rc <= 0)
            return rc;
        scan_keep(s, bytes, len);
        inbox_consume(&s->in, used + len + 2);
    }
    s->page_left--;
    return 1;
}

int scan_read(struct redis_session *s)
{
    enum expect expects = (enum expect)pipeline_oldest(s)->expects;
    struct reply line;
    size_t len;
    const char *at = inbox_at(&s->in, &len);
    int used;

    if (s->page_stage == SCAN_KEY && s->page_left == 0) {
        scan_end(s);
        return 1;
    }
    used = reply_line(at, len, &line);
    if (used < 0)
        return fail_unexpected(s, "a line of a SCAN's reply");
    if (used == 0)
        return 0;
    if (s->page_stage == SCAN_REPLY && expects == EXPECT_KEYS)
        s->page_stage = SCAN_KEYS;
    switch (s->page_stage) {
    case SCAN_CURSOR:
        if (expects == EXPECT_EXEC && line.type == REPLY_INTEGER) {
            s->page_stage = SCAN_KEYS;
            break;
        }
        return scan_cursor(s, &line, (size_t)used);
    case SCAN_KEY:
        return scan_key(s, &line, (size_t)used);
    case SCAN_REPLY:
        if (line.type != REPLY_ARRAY || line.number != 2)
            return fail_unexpected(s, "a cursor and keys");
        s->page_stage = SCAN_CURSOR;
        break;
    default:
        if (line.type != REPLY_ARRAY || line.number < 0 ||
            line.number > SCAN_KEYS_MAX)
            return fail_unexpected(s, "keys");
        s->page_bytes = 0;
        s->page_keys = s->page_left = (uint64_t)line.number;
        s->page_stage = SCAN_KEY;
        break;
    }
    inbox_consume(&s->in, (size_t)used);
    return 1;
}
