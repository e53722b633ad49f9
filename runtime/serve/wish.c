/* wish.c -- what a data command asks for beside its keys and values: the op, a
 * time to live, a number. Its options decide. */
#include <string.h>
#include <strings.h>
#include <time.h>

#include "state.h"

#define NOT_ATOMIC "no store of weir does it atomically"

const char *wish_bytes(const struct client *c, uint32_t i)
{
    const struct parse_arg *arg = &c->parser.args[i];

    return arg->value != NULL ? arg->value->data
                              : c->buffer + c->start + arg->at;
}

static bool is_word(const struct client *c, uint32_t i, const char *word)
{
    size_t n = strlen(word);

    return c->parser.args[i].size == n &&
           strncasecmp(wish_bytes(c, i), word, n) == 0;
}

static uint64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What may be wrong with a command: formats, which may name it once by %s. */
static const char NOT_INTEGER[] = "ERR value is not an integer or out of range";
static const char SYNTAX[] = "ERR syntax error";
static const char BAD_TIME[] = "ERR invalid expire time in '%s' command";
const char WISH_BAD_COUNT[] = "ERR wrong number of arguments for '%s' command";

/* Reads a time to live in milliseconds, which may be past (0 and less). */
static const char *read_time(const struct client *c, uint32_t i, uint32_t flags,
                             int64_t *ms)
{
    int64_t x;

    if (!parse_integer(wish_bytes(c, i), c->parser.args[i].size, &x))
        return NOT_INTEGER;
    if (!(flags & WEIR_COMMAND_MS) && __builtin_mul_overflow(x, 1000, &x))
        return BAD_TIME;
    if (flags & WEIR_COMMAND_AT) {
        if (__builtin_sub_overflow(x, (int64_t)wall_ms(), &x))
            return BAD_TIME;
    } else if (x > INT64_MAX / 2) {
        return BAD_TIME;
    }
    *ms = x;
    return NULL;
}

/* The same for a value that is set: the time itself must be over 0. A time of
 * day that is past is -1. */
static const char *read_ttl(const struct client *c, uint32_t i, uint32_t flags,
                            int64_t *ms)
{
    const char *fault = read_time(c, i, flags, ms);
    int64_t given;

    if (fault != NULL)
        return fault;
    parse_integer(wish_bytes(c, i), c->parser.args[i].size, &given);
    if (given <= 0)
        return BAD_TIME;
    if (*ms < 1)
        *ms = -1;
    return NULL;
}

/* Reads a word such as EX and the time after it. */
static const char *read_time_option(const struct client *c, uint32_t *i,
                                    int64_t *ms)
{
    static const struct {
        const char *word;
        uint32_t flags;
    } TIMES[] = {{"EX", 0},
                 {"PX", WEIR_COMMAND_MS},
                 {"EXAT", WEIR_COMMAND_AT},
                 {"PXAT", WEIR_COMMAND_AT | WEIR_COMMAND_MS}};

    for (size_t t = 0; t < sizeof TIMES / sizeof *TIMES; t++) {
        if (!is_word(c, *i, TIMES[t].word))
            continue;
        if (*ms != 0 || *i + 1 == c->parser.n_args)
            return SYNTAX;
        return read_ttl(c, ++*i, TIMES[t].flags, ms);
    }
    return SYNTAX;
}

static const char *read_set_option(const struct client *c, uint32_t *i,
                                   struct wish *wish)
{
    bool absent = is_word(c, *i, "NX");

    if (absent || is_word(c, *i, "XX")) {
        if (wish->op != WEIR_SET)
            return SYNTAX;
        wish->op = absent ? WEIR_ADD : WEIR_REPLACE;
        return NULL;
    }
    if (is_word(c, *i, "GET"))
        return "ERR SET with GET is refused: " NOT_ATOMIC;
    if (is_word(c, *i, "KEEPTTL"))
        return "ERR SET with KEEPTTL is refused: " NOT_ATOMIC;
    return read_time_option(c, i, &wish->ms);
}

/* The op of a SET whose value would be past its time at once. NX keeps what is
 * there, and only a key that is there obeys XX. */
static uint32_t op_of_past_set(uint32_t op)
{
    return op == WEIR_ADD       ? WEIR_EXISTS
           : op == WEIR_REPLACE ? WEIR_TAKE
                                : WEIR_DELETE;
}

static const char *read_set(const struct client *c, struct wish *wish)
{
    const char *fault = NULL;

    for (uint32_t i = 3; i < c->parser.n_args && fault == NULL; i++)
        fault = read_set_option(c, &i, wish);
    if (wish->ms < 0)
        wish->op = op_of_past_set(wish->op);
    return fault;
}

/* Without an option it is a GET. */
static const char *read_getex(const struct client *c, struct wish *wish)
{
    uint32_t i = 2, n = c->parser.n_args;
    const char *fault = NULL;

    if (n == 2) {
        wish->op = WEIR_GET;
        return NULL;
    }
    if (!is_word(c, i, "PERSIST"))
        fault = read_time_option(c, &i, &wish->ms);
    if (wish->ms < 0)
        wish->op = WEIR_TAKE; /* as Redis does in the past */
    return fault == NULL && i + 1 != n ? SYNTAX : fault;
}

static const char *read_number(const struct client *c,
                               const struct weir_command *row,
                               struct wish *wish)
{
    wish->number = 1;
    if (c->parser.n_args > 2 &&
        !parse_integer(wish_bytes(c, 2), c->parser.args[2].size, &wish->number))
        return NOT_INTEGER;
    if (row->flags & WEIR_COMMAND_MINUS &&
        __builtin_sub_overflow(0, wish->number, &wish->number))
        return NOT_INTEGER;
    return NULL;
}

const char *wish_read(const struct client *c, const struct weir_command *row,
                      struct wish *wish)
{
    uint32_t n = c->parser.n_args;
    const char *fault;

    switch (row->form) {
    case WEIR_FORM_PING:
        return n > 2 ? WISH_BAD_COUNT : NULL;
    case WEIR_FORM_SET:
        return n > 3 ? read_set(c, wish) : NULL;
    case WEIR_FORM_GETEX:
        return read_getex(c, wish);
    case WEIR_FORM_SETEX:
        return read_ttl(c, 2, row->flags, &wish->ms);
    case WEIR_FORM_MSET:
        return n % 2 == 0 ? WISH_BAD_COUNT : NULL;
    case WEIR_FORM_INCR:
        return read_number(c, row, wish);
    case WEIR_FORM_EXPIRE:
        if (n > 3)
            return "ERR an option of '%s' is refused: " NOT_ATOMIC;
        fault = read_time(c, 2, row->flags, &wish->ms);
        if (wish->ms <= 0)
            wish->op = WEIR_DELETE; /* as Redis does in the past */
        return fault;
    default:
        return NULL;
    }
}
