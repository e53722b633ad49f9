/* command.c -- items become commands.
 *
 * Short keys and values are copied into the outbox, long ones sent from where
 * they lie. Many short ones share an MGET or an MSET: the server spends a third
 * of the time on them that it spends on as many commands. */
#include <string.h>

#include "command.h"
#include "scan.h"
#include "window.h"

enum {
    KEY_COPY = 1024,   /* shorter keys are copied */
    VALUE_COPY = 1024, /* shorter values are */
    TLS_COPY = 16384,  /* the same under TLS: a record each is dearer */
    FRAME = 192,       /* what a command takes beside keys and values */
    MULTI_MIN = 8,     /* fewer keys go one by one */
    MULTI_MAX = 128,   /* more go in several commands, answered in turn */
    MGET_VALUE = 2048, /* longer values gain nothing from an MGET, */
    MSET_VALUE = 8192, /* or from an MSET */
    ASKS_EACH = 2,     /* most replies that one command_put waits for */
};

/* Milliseconds that added to the time of day are still a server's number. */
#define TTL_MAX ((uint64_t)INT64_MAX / 2)

static size_t value_copy(const struct redis_session *s)
{
    return s->link.tls != NULL ? TLS_COPY : VALUE_COPY;
}

/* ---- pieces ---- */

static void put_text(struct outbox *o, const char *text)
{
    outbox_copy(o, text, strlen(text));
}

/* "*n", then the name as the first of its n words. */
static void put_head(struct outbox *o, uint64_t words, const char *name)
{
    outbox_line(o, '*', words);
    put_text(o, name);
}

static void put_key(struct redis_session *s, const struct weir_item *item)
{
    struct outbox *o = &s->out;
    size_t prefix = s->redis->prefix_len;

    outbox_line(o, '$', prefix + item->key_len);
    outbox_copy(o, s->redis->config->prefix, prefix);
    if (item->key_len < KEY_COPY)
        outbox_copy(o, item->key, item->key_len);
    else
        outbox_refer(o, item->key, item->key_len);
    put_text(o, "\r\n");
}

static size_t key_room(const struct redis_session *s,
                       const struct weir_item *item)
{
    return s->redis->prefix_len + 16 +
           (item->key_len < KEY_COPY ? item->key_len : 0);
}

static bool has_room(const struct redis_session *s, size_t bytes,
                     uint32_t segments)
{
    return outbox_has_room(&s->out, bytes + FRAME, segments + 8) &&
           s->n_asks + ASKS_EACH <= REDIS_ASKS;
}

uint64_t command_value_size(const struct weir_item *item)
{
    return item->value != NULL ? item->value->size : item->size;
}

static bool is_copied(const struct redis_session *s,
                      const struct weir_item *item)
{
    return command_value_size(item) < value_copy(s);
}

/* Whether what an item sets is the caller's memory. */
static bool is_lent(const struct weir_item *item)
{
    return item->value == NULL && item->size > 0;
}

static void put_value(struct redis_session *s, const struct weir_item *item)
{
    const char *bytes = item->value != NULL ? item->value->data : item->data;
    uint64_t size = command_value_size(item);

    outbox_line(&s->out, '$', size);
    if (is_copied(s, item))
        outbox_copy(&s->out, bytes, size);
    else
        outbox_refer(&s->out, bytes, size);
    put_text(&s->out, "\r\n");
}

static uint64_t ttl_bounded(uint64_t ms)
{
    return ms < TTL_MAX ? ms : TTL_MAX;
}

static uint64_t ttl_ms(const struct redis_session *s,
                       const struct weir_item *item)
{
    uint64_t ns = s->redis->config->ttl;

    if (item->ttl_ms != 0)
        return ttl_bounded(item->ttl_ms);
    return ns != 0 ? (ns - 1) / 1000000u + 1 : 0;
}

/* ---- many keys in one command ---- */

/* A run of a flight's items that one command can take. */
struct run {
    uint32_t n;
    size_t bytes;      /* to copy */
    uint32_t segments; /* beside */
    bool lent;         /* some values are the caller's memory, */
    bool refers;       /* and not copied */
};

/* Adds an item to a run; false: it cannot share a command. */
static bool run_add(const struct redis_session *s, const struct flight *f,
                    const struct weir_item *item, struct run *run)
{
    size_t bytes = key_room(s, item);

    if (item->status != WEIR_PENDING || item->key_len >= KEY_COPY)
        return false;
    if (f->call->op == WEIR_SET) {
        if (command_value_size(item) >= MSET_VALUE || ttl_ms(s, item) != 0)
            return false;
        bytes += is_copied(s, item) ? command_value_size(item) + 16 : 16;
        run->segments += is_copied(s, item) ? 0 : 2;
    }
    if (run->bytes + bytes > OUTBOX_BYTES - FRAME)
        return false;
    run->bytes += bytes;
    if (f->call->op == WEIR_SET && is_lent(item)) {
        run->lent = true;
        run->refers |= !is_copied(s, item);
    }
    run->n++;
    return true;
}

/* How many items one command may take: of an MGET the whole reply is on the
 * way at once. */
static uint64_t run_most(const struct redis_session *s, uint32_t op)
{
    uint64_t most;

    if (op != WEIR_GET)
        return MULTI_MAX;
    if (s->reply > MGET_VALUE)
        return 0;
    most = window_room(s) / (window_weight(s) + 1) + 1;
    return most < MULTI_MAX ? most : MULTI_MAX;
}

/* The items that may go together now; n is 0 when they are too few. */
static struct run run_find(const struct redis_session *s,
                           const struct flight *f)
{
    const struct weir_call *call = f->call;
    struct run run = {0};
    uint64_t most;

    if (f->pass != PASS_FIRST || s->no_multi || !s->redis->config->multi)
        return run;
    most = run_most(s, call->op);
    for (uint32_t i = f->next_item; i < call->n && run.n < most; i++) {
        if (!run_add(s, f, &call->items[i], &run))
            break;
    }
    if (run.n < MULTI_MIN)
        run.n = 0;
    return run;
}

static void put_mget(struct redis_session *s, struct flight *f,
                     const struct run *run)
{
    const struct weir_item *items = f->call->items + f->next_item;

    put_head(&s->out, run->n + 1, "$4\r\nMGET\r\n");
    for (uint32_t i = 0; i < run->n; i++)
        put_key(s, &items[i]);
    session_ask(s, f, ASK_VALUES, f->next_item, run->n,
                run->n * window_weight(s));
}

static void put_mset(struct redis_session *s, struct flight *f,
                     const struct run *run)
{
    const struct weir_item *items = f->call->items + f->next_item;
    uint64_t weight = 0;

    put_head(&s->out, 2 * run->n + 1, "$4\r\nMSET\r\n");
    for (uint32_t i = 0; i < run->n; i++) {
        put_key(s, &items[i]);
        put_value(s, &items[i]);
        weight += command_value_size(&items[i]);
    }
    session_ask(s, f, ASK_DONE, f->next_item, run->n, weight);
}

bool command_counts(struct redis_session *s, const struct weir_call *call)
{
    if (s->mixed > 0)
        s->mixed--;
    else if (!s->no_multi && s->redis->config->multi && call->n >= MULTI_MIN)
        return true;
    return false;
}

/* One EXISTS over all items without an answer, as far as they fit. */
static bool put_count(struct redis_session *s, struct flight *f)
{
    struct weir_call *call = f->call;
    uint32_t first = f->next_item, end = first, n = 0, segments = 0;
    size_t bytes = 0;

    for (; end < call->n; end++) {
        struct weir_item *item = &call->items[end];

        if (item->status != WEIR_PENDING)
            continue;
        if (bytes + key_room(s, item) > OUTBOX_BYTES - FRAME || n == MULTI_MAX)
            break;
        bytes += key_room(s, item);
        segments += item->key_len < KEY_COPY ? 0 : 2;
        n++;
    }
    if (!has_room(s, bytes, segments))
        return false;
    put_head(&s->out, n + 1, "$6\r\nEXISTS\r\n");
    for (uint32_t i = first; i < end; i++) {
        if (call->items[i].status == WEIR_PENDING)
            put_key(s, &call->items[i]);
    }
    session_ask(s, f, ASK_COUNT, first, end - first, 0);
    f->next_item = end;
    return true;
}

/* ---- one key ---- */

static void put_set(struct redis_session *s, struct flight *f,
                    struct weir_item *item)
{
    uint64_t ttl = ttl_ms(s, item);
    struct outbox *o = &s->out;

    put_head(o, ttl != 0 ? 5 : 3, "$3\r\nSET\r\n");
    put_key(s, item);
    put_value(s, item);
    if (ttl != 0) {
        put_text(o, "$2\r\nPX\r\n");
        outbox_number(o, ttl);
    }
    session_ask(s, f, ASK_DONE, f->next_item, 1, command_value_size(item));
}

static void put_touch(struct redis_session *s, struct flight *f,
                      struct weir_item *item)
{
    if (item->ttl_ms != 0) {
        put_head(&s->out, 3, "$7\r\nPEXPIRE\r\n");
        put_key(s, item);
        outbox_number(&s->out, ttl_bounded(item->ttl_ms));
    } else {
        /* PERSIST answers 0 both for no key and for no expiry. */
        put_head(&s->out, 2, "$7\r\nPERSIST\r\n");
        put_key(s, item);
        session_ask(s, f, ASK_IGNORED, f->next_item, 1, 0);
        put_head(&s->out, 2, "$6\r\nEXISTS\r\n");
        put_key(s, item);
    }
    session_ask(s, f, ASK_FOUND, f->next_item, 1, 0);
}

/* A command of one word and the key. */
static void put_plain(struct redis_session *s, struct flight *f,
                      struct weir_item *item, const char *name,
                      enum ask_kind kind)
{
    put_head(&s->out, 2, name);
    put_key(s, item);
    session_ask(s, f, kind, f->next_item, 1,
                kind == ASK_VALUE ? window_weight(s) : 0);
}

static void put_single(struct redis_session *s, struct flight *f,
                       struct weir_item *item)
{
    switch (f->call->op) {
    case WEIR_GET:
        put_plain(s, f, item, "$3\r\nGET\r\n", ASK_VALUE);
        break;
    case WEIR_SET:
        put_set(s, f, item);
        break;
    case WEIR_EXISTS:
        put_plain(s, f, item, "$6\r\nEXISTS\r\n", ASK_FOUND);
        break;
    case WEIR_DELETE:
        if (s->no_unlink)
            put_plain(s, f, item, "$3\r\nDEL\r\n", ASK_FOUND);
        else
            put_plain(s, f, item, "$6\r\nUNLINK\r\n", ASK_UNLINK);
        break;
    case WEIR_STAT:
        put_plain(s, f, item, "$6\r\nSTRLEN\r\n", ASK_LENGTH);
        put_plain(s, f, item, "$4\r\nPTTL\r\n", ASK_LEFT);
        break;
    case WEIR_TOUCH:
        put_touch(s, f, item);
        break;
    }
}

/* ---- the next one ---- */

static bool put_run(struct redis_session *s, struct flight *f,
                    const struct run *run)
{
    if (!has_room(s, run->bytes, run->segments))
        return false;
    if (f->call->op == WEIR_GET)
        put_mget(s, f, run);
    else
        put_mset(s, f, run);
    f->next_item += run->n;
    return true;
}

static bool put_one(struct redis_session *s, struct flight *f)
{
    struct weir_item *item = &f->call->items[f->next_item];
    size_t bytes = 2 * key_room(s, item);

    if (f->call->op == WEIR_SET && is_copied(s, item))
        bytes += command_value_size(item);
    if (!has_room(s, bytes, 0))
        return false;
    put_single(s, f, item);
    f->next_item++;
    return true;
}

/* Answers what cannot be sent any more: its memory was taken back. */
static void skip_taken_back(struct flight *f, uint32_t n)
{
    struct weir_item *item = &f->call->items[f->next_item];

    for (; n > 0; n--, item++) {
        if (is_lent(item))
            weir_call_fail(f->call, item, WEIR_SKIPPED,
                           "the batch was abandoned");
    }
}

/* The item that comes next, as a run of none. */
static struct run run_single(const struct redis_session *s,
                             const struct flight *f)
{
    const struct weir_item *item = &f->call->items[f->next_item];
    bool lent = f->call->op == WEIR_SET && is_lent(item);

    return (struct run){.lent = lent, .refers = lent && !is_copied(s, item)};
}

/* Puts a command for a run, or for one item. Lent memory is held while it is
 * copied, and not even begun to be sent when it was taken back. */
static bool put_next(struct redis_session *s, struct flight *f,
                     const struct run *run)
{
    bool put;

    if (run->lent && !weir_call_lend(f->call)) {
        skip_taken_back(f, run->n > 0 ? run->n : 1);
        return true;
    }
    if (run->refers)
        outbox_lend(&s->out, f->call);
    put = run->n > 0 ? put_run(s, f, run) : put_one(s, f);
    if (run->refers)
        outbox_lend(&s->out, NULL);
    if (run->lent)
        weir_call_unlend(f->call);
    return put;
}

bool command_put(struct redis_session *s, struct flight *f)
{
    struct weir_call *call = f->call;
    struct run run = {0};

    if (call->op == WEIR_SCAN)
        return scan_put(s, f);
    while (f->next_item < call->n &&
           call->items[f->next_item].status != WEIR_PENDING)
        f->next_item++;
    if (f->next_item == call->n)
        return true;
    if (f->pass == PASS_COUNT)
        return put_count(s, f);
    if (call->op == WEIR_GET || call->op == WEIR_SET)
        run = run_find(s, f);
    if (run.n == 0)
        run = run_single(s, f);
    return put_next(s, f, &run);
}
