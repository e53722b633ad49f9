/* parse.c -- see parse.h. The limits and the words of errors are Redis's. */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum stage {
    STAGE_BEGIN = 0, /* '*' or an inline command */
    STAGE_LENGTH,    /* $n */
    STAGE_BYTES,     /* n bytes, in the buffer */
    STAGE_FILL,      /* n bytes, into a value */
    STAGE_END,       /* the newline after a value */
    STAGE_BAD,       /* nothing of the stream makes sense any more */
};

enum { ARGS_KEPT = 64 }; /* room for more is given back after the command */

void parse_init(struct parser *p)
{
    memset(p, 0, sizeof *p);
    p->args = p->few;
    p->room = PARSE_FEW;
}

static void drop_values(struct parser *p)
{
    for (uint32_t i = 0; i < p->n_args; i++)
        weir_value_unref(p->args[i].value);
    p->n_args = 0;
}

void parse_next(struct parser *p)
{
    drop_values(p);
    if (p->room > ARGS_KEPT) {
        free(p->args);
        p->args = p->few;
        p->room = PARSE_FEW;
    }
    p->pos = p->seen = 0;
    p->stage = STAGE_BEGIN;
}

void parse_free(struct parser *p)
{
    drop_values(p);
    if (p->args != p->few)
        free(p->args);
    parse_init(p);
}

uint64_t parse_held(const struct parser *p)
{
    uint64_t bytes = p->room > PARSE_FEW ? p->room * sizeof *p->args : 0;

    for (uint32_t i = 0; i < p->n_args; i++) {
        if (p->args[i].value != NULL)
            bytes += p->args[i].size;
    }
    return p->stage == STAGE_FILL ? bytes - p->left : bytes;
}

static enum parse_result bad(struct parser *p, const char *why)
{
    p->error = why;
    p->stage = STAGE_BAD;
    return PARSE_BAD;
}

static struct parse_arg *add_arg(struct parser *p, size_t at, uint64_t size)
{
    struct parse_arg *arg;

    if (p->n_args == p->room) {
        uint32_t room = 2 * p->room;
        struct parse_arg *grown = p->args == p->few
                                      ? malloc(room * sizeof *grown)
                                      : realloc(p->args, room * sizeof *grown);

        if (grown == NULL)
            return NULL;
        if (p->args == p->few)
            memcpy(grown, p->few, sizeof p->few);
        p->args = grown;
        p->room = room;
    }
    arg = &p->args[p->n_args++];
    *arg = (struct parse_arg){.at = at, .size = size};
    return arg;
}

bool parse_integer(const char *bytes, size_t n, int64_t *out)
{
    bool negative = n > 0 && bytes[0] == '-';
    uint64_t x = 0;
    size_t i = negative;

    if (i == n || n - i > 19 || (bytes[i] == '0' && n > 1))
        return false;
    for (; i < n; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return false;
        x = 10 * x + (uint64_t)(bytes[i] - '0');
    }
    if (x > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - x) : (int64_t)x;
    return true;
}

/* The length of the line at pos, without its end; -1: it is not complete. */
static ptrdiff_t line_length(struct parser *p, const char *bytes, size_t n)
{
    const char *line = bytes + p->pos;
    const char *end = memchr(line + p->seen, '\n', n - p->pos - p->seen);

    if (end == NULL) {
        p->seen = n - p->pos;
        return -1;
    }
    p->seen = 0;
    return end - line;
}

/* Reads "*n" or "$n"; 0: more, 1: done, -1: no number. */
static int read_number(struct parser *p, const char *bytes, size_t n,
                       int64_t *out)
{
    const char *line = bytes + p->pos;
    ptrdiff_t len = line_length(p, bytes, n);
    size_t digits;

    if (len < 0)
        return 0;
    digits = (size_t)len - 1;
    if (len > 1 && line[len - 1] == '\r')
        digits--;
    p->pos += (size_t)len + 1;
    return parse_integer(line + 1, digits, out) ? 1 : -1;
}

/* ---- inline commands ---- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What a backslash in double quotes stands for; *at is moved over it. */
static char unescape(const char **at, const char *end)
{
    const char *p = *at;

    if (end - p >= 4 && p[1] == 'x' && hex_of(p[2]) >= 0 && hex_of(p[3]) >= 0) {
        *at += 4;
        return (char)(hex_of(p[2]) * 16 + hex_of(p[3]));
    }
    *at += 2;
    switch (p[1]) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return p[1];
    }
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

/* Unquotes one word in place; NULL: the quotes do not close. */
static const char *read_word(const char *from, const char *end, char **to)
{
    char quote = 0;

    for (; from < end;) {
        if (quote == 0 && is_blank(*from))
            return from;
        if (quote == 0 && (*from == '"' || *from == '\'')) {
            quote = *from++;
        } else if (quote == '"' && *from == '\\' && from + 1 < end) {
            *(*to)++ = unescape(&from, end);
        } else if (quote == '\'' && *from == '\\' && from + 1 < end &&
                   from[1] == '\'') {
            *(*to)++ = '\'';
            from += 2;
        } else if (quote != 0 && *from == quote) {
            from++;
            return from == end || is_blank(*from) ? from : NULL;
        } else {
            *(*to)++ = *from++;
        }
    }
    return quote == 0 ? from : NULL;
}

static enum parse_result read_inline(struct parser *p, char *bytes, size_t n)
{
    ptrdiff_t len = line_length(p, bytes, n);
    const char *from = bytes, *end;

    if (len < 0 && n > PARSE_LINE_MAX)
        return bad(p, "too big inline request");
    if (len < 0)
        return PARSE_MORE;
    p->pos = (size_t)len + 1;
    for (end = bytes + len; from < end;) {
        char *word = bytes + (from - bytes), *to = word;

        if (is_blank(*from)) {
            from++;
            continue;
        }
        from = read_word(from, end, &to);
        if (from == NULL)
            return bad(p, "unbalanced quotes in request");
        if (add_arg(p, (size_t)(word - bytes), (uint64_t)(to - word)) == NULL)
            return bad(p, "out of memory");
    }
    return PARSE_COMMAND;
}

/* ---- arrays of bulk strings ---- */

static enum parse_result read_begin(struct parser *p, char *bytes, size_t n,
                                    const struct parse_limits *limits)
{
    int rc;

    if (p->pos == n)
        return PARSE_MORE;
    if (bytes[p->pos] != '*')
        return read_inline(p, bytes, n);
    rc = read_number(p, bytes, n, &p->wanted);
    if (rc == 0 && n - p->pos > PARSE_LINE_MAX)
        return bad(p, "too big mbulk count string");
    if (rc == 0)
        return PARSE_MORE;
    if (rc < 0 || p->wanted > PARSE_ARGS_MAX)
        return bad(p, "invalid multibulk length");
    if (limits->stranger && p->wanted > PARSE_STRANGER_ARGS)
        return bad(p, "unauthenticated multibulk length");
    p->stage = STAGE_LENGTH;
    return PARSE_MORE;
}

/* A large argument: what is there of it moves into a value, and the rest will
 * be read there. */
static enum parse_result begin_fill(struct parser *p, char *bytes, size_t *n)
{
    struct parse_arg *arg = add_arg(p, 0, (uint64_t)p->size);
    size_t there = *n - p->pos;
    char *data;

    if (arg == NULL)
        return bad(p, "out of memory");
    arg->value = weir_value_new((uint64_t)p->size, &data);
    if (arg->value == NULL) {
        p->n_args--;
        return bad(p, "out of memory");
    }
    if (there > (uint64_t)p->size) {
        memcpy(data, bytes + p->pos, (size_t)p->size);
        p->pos += (size_t)p->size;
        p->stage = STAGE_END;
        return PARSE_MORE;
    }
    memcpy(data, bytes + p->pos, there);
    *n = p->pos;
    p->fill = data + there;
    p->left = (uint64_t)p->size - there;
    p->stage = p->left > 0 ? STAGE_FILL : STAGE_END;
    return PARSE_MORE;
}

void parse_filled(struct parser *p, uint64_t n)
{
    p->fill += n;
    p->left -= n;
    if (p->left == 0)
        p->stage = STAGE_END;
}

static enum parse_result read_length(struct parser *p, char *bytes, size_t *n,
                                     const struct parse_limits *limits)
{
    int rc;

    if (p->pos == *n)
        return PARSE_MORE;
    if (bytes[p->pos] != '$') {
        char c = bytes[p->pos];

        snprintf(p->text, sizeof p->text, "expected '$', got '%c'",
                 c >= ' ' && c <= '~' ? c : '?');
        return bad(p, p->text);
    }
    rc = read_number(p, bytes, *n, &p->size);
    if (rc == 0 && *n - p->pos > PARSE_LINE_MAX)
        return bad(p, "too big bulk count string");
    if (rc == 0)
        return PARSE_MORE;
    if (rc < 0 || p->size < 0 || (uint64_t)p->size > limits->max_value)
        return bad(p, "invalid bulk length");
    if ((uint64_t)p->size > limits->max_held)
        return bad(p, "an argument is over max-memory-clients");
    if (limits->stranger && p->size > PARSE_STRANGER_BYTES)
        return bad(p, "unauthenticated bulk length");
    if (p->size >= PARSE_LARGE)
        return begin_fill(p, bytes, n);
    p->stage = STAGE_BYTES;
    return PARSE_MORE;
}

/* The two bytes after an argument, which Redis does not look at; what stands
 * there instead of a newline is the fault of a client that is out of step. */
static enum parse_result read_end(struct parser *p, const char *bytes, size_t n)
{
    if (n - p->pos < 2)
        return PARSE_MORE;
    if (bytes[p->pos] != '\r' || bytes[p->pos + 1] != '\n')
        return bad(p, "expected a newline after a bulk string");
    p->pos += 2;
    p->wanted--;
    p->stage = STAGE_LENGTH;
    return PARSE_MORE;
}

static enum parse_result read_bytes(struct parser *p, const char *bytes,
                                    size_t n)
{
    size_t size = (size_t)p->size;

    if (n - p->pos < size + 2)
        return PARSE_MORE;
    if (add_arg(p, p->pos, size) == NULL)
        return bad(p, "out of memory");
    p->pos += size;
    return read_end(p, bytes, n);
}

static enum parse_result read_step(struct parser *p, char *bytes, size_t *n,
                                   const struct parse_limits *limits)
{
    switch (p->stage) {
    case STAGE_BEGIN:
        return read_begin(p, bytes, *n, limits);
    case STAGE_LENGTH:
        return read_length(p, bytes, n, limits);
    case STAGE_BYTES:
        return read_bytes(p, bytes, *n);
    case STAGE_END:
        return read_end(p, bytes, *n);
    case STAGE_BAD:
        return PARSE_BAD;
    default:
        return PARSE_MORE;
    }
}

enum parse_result parse_command(struct parser *p, char *bytes, size_t *n,
                                const struct parse_limits *limits)
{
    for (;;) {
        uint32_t stage = p->stage;
        size_t pos = p->pos;
        enum parse_result rc = read_step(p, bytes, n, limits);

        if (rc != PARSE_MORE)
            return rc;
        if (p->stage == STAGE_LENGTH && p->wanted <= 0)
            return PARSE_COMMAND;
        if (p->stage == stage && p->pos == pos)
            return PARSE_MORE;
    }
}
