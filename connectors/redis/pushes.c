/* pushes.c -- reads a tracking connection: `>2 $10 invalidate *1 $3 key`.
 *
 * A push may name any number of keys, so it is read key by key. The buffer is
 * the only memory. Replies to our own commands come between pushes. Of a reply
 * that is no string (HELLO answers with a map) only the end matters. */
#include "pushes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

enum stage {
    STAGE_TOP,  /* a reply or a push begins */
    STAGE_NAME, /* the kind of a push */
    STAGE_LIST, /* the head of its list of keys */
    STAGE_KEYS, /* the keys */
    STAGE_SKIP, /* elements without meaning for us */
};

int pushes_init(struct pushes *p)
{
    *p = (struct pushes){.bytes = malloc(PUSHES_BYTES)};
    return p->bytes != NULL ? 0 : -ENOMEM;
}

void pushes_free(struct pushes *p)
{
    free(p->bytes);
    p->bytes = NULL;
}

char *pushes_room(struct pushes *p, size_t *room)
{
    size_t have = p->end - p->begin;

    if (p->begin > 0)
        memmove(p->bytes, p->bytes + p->begin, have);
    p->begin = 0;
    p->end = have;
    *room = PUSHES_BYTES - have;
    return p->bytes + have;
}

/* ---- one line ---- */

/* Reads a line of a kind that RESP2 lacks as one of the kind `like`. These
 * lines are short. */
static int line_like(const char *data, size_t len, char like, struct reply *out)
{
    char line[64];
    size_t n = len < sizeof line ? len : sizeof line;
    int used;

    memcpy(line, data, n);
    line[0] = like;
    used = reply_line(line, n, out);
    if (used == 0 && n == sizeof line)
        return -EPROTO;
    out->text = NULL;
    return used;
}

/* Reads the next line. Returns the number of its bytes, 0: its end is missing,
 * or -EPROTO. */
static int line(const struct pushes *p, struct reply *out)
{
    const char *data = p->bytes + p->begin;
    size_t len = p->end - p->begin;
    int used;

    if (len == 0)
        return 0;
    switch (data[0]) {
    case '>': /* push */
    case '~': /* set */
    case '%': /* map */
        used = line_like(data, len, '*', out);
        break;
    case '=': /* verbatim string */
        used = line_like(data, len, '$', out);
        break;
    case '_': /* null */
    case '#': /* boolean */
    case ',': /* double */
    case '(': /* big number */
        used = line_like(data, len, '+', out);
        break;
    default:
        return reply_line(data, len, out);
    }
    out->type = (enum reply_type)data[0];
    return used;
}

static bool is_string(const struct reply *head)
{
    return ((int)head->type == '$' || (int)head->type == '=') &&
           head->number >= 0;
}

/* Reads the head of a string and all its bytes, or notes that they are to
 * be dropped: *at is NULL then. Returns 1, 0: bytes are missing, or -EPROTO. */
static int bulk(struct pushes *p, const char **at, size_t *len)
{
    struct reply head;
    int used = line(p, &head);

    if (used <= 0)
        return used;
    if (!is_string(&head))
        return -EPROTO;
    *at = NULL;
    *len = (size_t)head.number;
    if ((size_t)used + *len + 2 > PUSHES_BYTES) {
        p->begin += (size_t)used;
        p->discard = *len + 2;
        return 1;
    }
    if (p->end - p->begin < (size_t)used + *len + 2)
        return 0;
    *at = p->bytes + p->begin + used;
    p->begin += (size_t)used + *len + 2;
    return (*at)[*len] == '\r' && (*at)[*len + 1] == '\n' ? 1 : -EPROTO;
}

/* ---- the stages; each returns 1 to go on, or what pushes_next does ---- */

/* Notes the elements below a line that is skipped. */
static int skip_below(struct pushes *p, const struct reply *head)
{
    uint64_t n = head->number > 0 ? (uint64_t)head->number : 0;

    switch ((int)head->type) {
    case '$':
    case '=':
        if (head->number >= 0)
            p->discard = n + 2;
        return 1;
    case '%':
        n *= 2;
        break;
    case '*':
    case '~':
        break;
    case '>':
        return -EPROTO; /* never within a reply */
    default:
        return 1;
    }
    p->skip_left += n;
    return p->skip_left <= PUSHES_SKIP ? 1 : -EPROTO;
}

static int skip(struct pushes *p)
{
    struct reply head;
    int used;

    if (p->skip_left == 0) {
        p->stage = STAGE_TOP;
        return p->answers ? PUSHED_REPLY + 1 : 1;
    }
    used = line(p, &head);
    if (used <= 0)
        return used;
    p->begin += (size_t)used;
    p->skip_left--;
    return skip_below(p, &head);
}

static int top(struct pushes *p, const char **text, size_t *len)
{
    struct reply head;
    int used = line(p, &head);

    if (used <= 0)
        return used;
    if ((int)head.type == '>') {
        if (head.number < 1 || head.number > PUSHES_SKIP)
            return -EPROTO;
        p->begin += (size_t)used;
        p->skip_left = (uint64_t)head.number;
        p->stage = STAGE_NAME;
        return 1;
    }
    if (head.type == REPLY_ERROR) {
        p->begin += (size_t)used;
        *text = head.text;
        *len = head.length;
        return PUSHED_ERROR + 1;
    }
    if (is_string(&head)) {
        used = bulk(p, text, len);
        return used > 0 ? PUSHED_REPLY + 1 : used;
    }
    p->answers = true;
    p->skip_left = 1;
    p->stage = STAGE_SKIP;
    return 1;
}

static int name(struct pushes *p)
{
    static const char invalidate[] = "invalidate";
    const char *at;
    size_t len;
    int rc = bulk(p, &at, &len);

    if (rc <= 0)
        return rc;
    if (at != NULL && len == strlen(invalidate) &&
        memcmp(at, invalidate, len) == 0) {
        p->stage = STAGE_LIST;
        return p->skip_left == 2 ? 1 : -EPROTO;
    }
    p->skip_left--;
    p->answers = false;
    p->stage = STAGE_SKIP;
    return 1;
}

static int list(struct pushes *p)
{
    struct reply head;
    int used = line(p, &head);

    if (used <= 0)
        return used;
    p->begin += (size_t)used;
    p->stage = STAGE_TOP;
    if ((int)head.type == '_')
        return PUSHED_ALL + 1;
    if (head.type != REPLY_ARRAY)
        return -EPROTO;
    if (head.number < 0)
        return PUSHED_ALL + 1;
    p->keys_left = (uint64_t)head.number;
    p->stage = STAGE_KEYS;
    return 1;
}

static int keys(struct pushes *p, const char **text, size_t *len)
{
    int rc;

    if (p->keys_left == 0) {
        p->stage = STAGE_TOP;
        return 1;
    }
    rc = bulk(p, text, len);
    if (rc <= 0)
        return rc;
    p->keys_left--;
    return *text != NULL ? PUSHED_KEY + 1 : 1;
}

/* Drops bytes of a bulk string. false: more are to come. */
static bool dropped(struct pushes *p)
{
    size_t have = p->end - p->begin;
    size_t n = p->discard < have ? (size_t)p->discard : have;

    p->begin += n;
    p->discard -= n;
    return p->discard == 0;
}

int pushes_next(struct pushes *p, const char **text, size_t *len)
{
    int rc = 1;

    *text = NULL;
    *len = 0;
    while (rc == 1) {
        if (!dropped(p))
            return PUSHED_NOTHING;
        switch ((enum stage)p->stage) {
        case STAGE_TOP:
            rc = top(p, text, len);
            break;
        case STAGE_NAME:
            rc = name(p);
            break;
        case STAGE_LIST:
            rc = list(p);
            break;
        case STAGE_KEYS:
            rc = keys(p, text, len);
            break;
        case STAGE_SKIP:
            rc = skip(p);
            break;
        }
    }
    return rc > 1 ? rc - 1 : rc;
}
