/* parse.h -- RESP requests, parsed where they lie.
 *
 * A parser keeps its place between calls, so that a command that comes in small
 * pieces costs no more than one that comes whole. Arguments are offsets from
 * the first byte of the command; the caller may move the bytes meanwhile.
 * A large argument becomes a value that its bytes are read into directly. */
#ifndef WEIR_SERVE_PARSE_H
#define WEIR_SERVE_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "weir.h"

enum {
    PARSE_LINE_MAX = 64 << 10, /* bytes of a line, as Redis has it */
    PARSE_ARGS_MAX = 1 << 20,  /* arguments of a command, as Redis has it */
    PARSE_LARGE = 8 << 10,     /* from this size arguments are values */
    PARSE_FEW = 4,             /* arguments that need no memory of their own */
    PARSE_STRANGER_ARGS = 10,  /* of a client before AUTH, as Redis has it */
    PARSE_STRANGER_BYTES = 16 << 10,
};

enum parse_result {
    PARSE_MORE = 0, /* the command is not complete */
    PARSE_COMMAND,  /* it is: n_args may be 0 */
    PARSE_BAD,      /* error says why; the stream is lost */
};

struct parse_arg {
    size_t at; /* from the first byte of the command */
    uint64_t size;
    struct weir_value *value; /* of a large one: instead of at */
};

struct parser {
    struct parse_arg *args;
    uint32_t n_args, room;
    struct parse_arg few[PARSE_FEW];
    size_t pos;  /* bytes of the command parsed so far */
    size_t seen; /* bytes of a line looked at so far, from pos */
    uint32_t stage;
    int64_t wanted; /* arguments that are still to come */
    int64_t size;   /* of the argument that comes */
    char *fill;     /* where the next bytes of a large argument go, */
    uint64_t left;  /* and how many */
    const char *error;
    char text[64]; /* of error, where it has variable words */
};

struct parse_limits {
    uint64_t max_value;
    uint64_t max_held; /* more would close the client: see most_held */
    bool stranger;     /* the client has not logged in */
};

void parse_init(struct parser *p);

/* parse_free drops what the command holds. */
void parse_free(struct parser *p);

/* parse_next begins the next command after PARSE_COMMAND. */
void parse_next(struct parser *p);

/* parse_command goes on with a command of which n bytes are there. It may take
 * bytes off the end, into a large argument; then n shrinks. p->pos is the
 * length of a complete command. */
enum parse_result parse_command(struct parser *p, char *bytes, size_t *n,
                                const struct parse_limits *limits);

/* parse_filled counts bytes that the caller has read to p->fill. */
void parse_filled(struct parser *p, uint64_t n);

/* parse_held returns the bytes that the parser holds outside the buffer. */
uint64_t parse_held(const struct parser *p);

/* parse_integer reads a whole number as Redis does; false: it is none. */
bool parse_integer(const char *bytes, size_t n, int64_t *out);

#endif
