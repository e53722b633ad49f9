/* scan.c -- SCAN with a literal prefix: the glob's own characters are escaped.
 *
 * A page is one reply, or the first of several that is not empty: SCAN counts
 * the keys it looks at, not those that match. A reply is
 *     *2  $cursor  *n  $key ... $key
 * and is read as it comes. Keys that weir has none of, empty ones and those
 * longer than WEIR_KEY_MAX, are left out and counted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "reply.h"
#include "scan.h"

enum {
    SCAN_COUNT = 1000,      /* keys looked at for a page, when none is said */
    SCAN_COUNT_MAX = 10000, /* most: the server answers nobody else meanwhile */
    SCAN_ROUNDS = 100,      /* empty replies until an empty page is answered */
    SCAN_COPY = 1024,       /* shorter patterns are copied to the outbox */
    SCAN_KEYS_MAX = 1 << 20,   /* no server sends so many for a page, */
    SCAN_READ_MAX = 1 << 30,   /* or bytes of them */
    SCAN_PAGE_MAX = 128 << 20, /* bytes that a page takes in memory */
};

enum scan_stage { SCAN_REPLY, SCAN_CURSOR, SCAN_KEYS, SCAN_KEY };

/* Writes the pattern for prefix and key; out has room for twice their length.
 */
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

static bool scan_pattern(struct redis_session *s, struct flight *f,
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
    f->pattern = pattern;
    f->pattern_len = len;
    return true;
}

static void put_pattern(struct outbox *o, const struct flight *f)
{
    outbox_line(o, '$', f->pattern_len);
    if (f->pattern_len < SCAN_COPY)
        outbox_copy(o, f->pattern, f->pattern_len);
    else
        outbox_refer(o, f->pattern, f->pattern_len);
    outbox_copy(o, "\r\n", 2);
}

bool scan_put(struct redis_session *s, struct flight *f)
{
    struct weir_item *item = &f->call->items[f->next_item];
    uint64_t count = item->cap != 0 ? item->cap : SCAN_COUNT;
    struct outbox *o = &s->out;

    if (!outbox_has_room(o, SCAN_COPY + 256, 4) || s->n_asks == REDIS_ASKS)
        return false;
    if (f->pattern == NULL) {
        if (!scan_pattern(s, f, item)) {
            weir_call_fail(f->call, item, WEIR_BUSY, "out of memory");
            f->next_item++;
            return true;
        }
        f->cursor = item->cursor;
        f->rounds = 0;
    }
    outbox_copy(o, "*6\r\n$4\r\nSCAN\r\n", 14);
    outbox_number(o, f->cursor);
    outbox_copy(o, "$5\r\nMATCH\r\n", 11);
    put_pattern(o, f);
    outbox_copy(o, "$5\r\nCOUNT\r\n", 11);
    outbox_number(o, count < SCAN_COUNT_MAX ? count : SCAN_COUNT_MAX);
    session_ask(s, f, ASK_PAGE, f->next_item, 1, 0);
    f->rounds++;
    f->next_item++;
    return true;
}

void scan_forget(struct flight *f)
{
    free(f->pattern);
    f->pattern = NULL;
    f->page.size = f->page.keys = 0;
}

/* ---- the reply ---- */

/* The whole reply was read: a page, or another round. */
static void scan_end(struct redis_session *s)
{
    struct ask *ask = session_asked(s);
    struct flight *f = ask->flight;
    struct weir_item *item = &f->call->items[ask->first];

    s->page_stage = SCAN_REPLY;
    f->cursor = s->page_cursor;
    if (item->status == WEIR_PENDING && f->page.keys == 0 && f->cursor != 0 &&
        f->rounds < SCAN_ROUNDS) {
        f->next_item = ask->first;
    } else {
        if (item->status == WEIR_PENDING)
            weir_page_answer(f->call, item, &f->page, f->cursor);
        scan_forget(f);
    }
    session_answered(s);
}

/* Keeps a key for the page if it has the store's prefix, which goes. */
static void scan_keep(struct redis_session *s, const char *key, size_t len)
{
    struct ask *ask = session_asked(s);
    struct flight *f = ask->flight;
    struct weir_item *item = &f->call->items[ask->first];
    size_t prefix = s->redis->prefix_len;

    if (len < prefix || memcmp(key, s->redis->config->prefix, prefix) != 0 ||
        item->status != WEIR_PENDING)
        return;
    if (len == prefix || len - prefix > WEIR_KEY_MAX) {
        atomic_fetch_add(&s->redis->left_out, 1);
        return;
    }
    if (f->page.size > SCAN_PAGE_MAX - 2 * WEIR_KEY_MAX) {
        weir_call_fail(f->call, item, WEIR_TOOBIG,
                       "a page of keys of more than %d MiB: ask for fewer",
                       SCAN_PAGE_MAX >> 20);
        free(f->page.data);
        f->page = (struct weir_page){0};
    } else if (weir_page_add(&f->page, key + prefix, (uint32_t)(len - prefix),
                             UINT64_MAX, UINT64_MAX) < 0)
        weir_call_fail(f->call, item, WEIR_BUSY,
                       "out of memory for a page of keys");
}

/* The bytes of a bulk of this length and its end of line, if they have come. */
static int scan_bulk(struct redis_session *s, size_t used, size_t len,
                     const char **bytes)
{
    size_t there;
    const char *at = inbox_at(&s->in, &there);

    if (there < used + len + 2)
        return 0;
    *bytes = at + used;
    if (memcmp(*bytes + len, "\r\n", 2) != 0)
        return session_surprise(s, "the end of a key");
    return 1;
}

static int scan_cursor(struct redis_session *s, const struct reply *line,
                       size_t used)
{
    const char *bytes;
    uint64_t cursor = 0;
    int rc;

    if (line->type != REPLY_BULK || line->number < 1 || line->number > 20)
        return session_surprise(s, "a cursor");
    rc = scan_bulk(s, used, (size_t)line->number, &bytes);
    if (rc <= 0)
        return rc;
    for (int64_t i = 0; i < line->number; i++) {
        if (bytes[i] < '0' || bytes[i] > '9' ||
            __builtin_mul_overflow(cursor, 10u, &cursor) ||
            __builtin_add_overflow(cursor, (uint64_t)(bytes[i] - '0'), &cursor))
            return session_surprise(s, "a cursor");
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
        return session_surprise(s, "a key");
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
        return session_surprise(s, "a line of a SCAN's reply");
    if (used == 0)
        return 0;
    switch (s->page_stage) {
    case SCAN_CURSOR:
        return scan_cursor(s, &line, (size_t)used);
    case SCAN_KEY:
        return scan_key(s, &line, (size_t)used);
    case SCAN_REPLY:
        if (line.type != REPLY_ARRAY || line.number != 2)
            return session_surprise(s, "a cursor and keys");
        s->page_stage = SCAN_CURSOR;
        break;
    default:
        if (line.type != REPLY_ARRAY || line.number < 0 ||
            line.number > SCAN_KEYS_MAX)
            return session_surprise(s, "keys");
        s->page_bytes = 0;
        s->page_left = (uint64_t)line.number;
        s->page_stage = SCAN_KEY;
        break;
    }
    inbox_consume(&s->in, (size_t)used);
    return 1;
}
