/* outbox.h -- the replies of a client that have not been sent: text, and
 * between it values that are sent from where they lie. */
#ifndef WEIR_SERVE_OUTBOX_H
#define WEIR_SERVE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "weir.h"

enum {
    OUTBOX_COPIED = 4096, /* values shorter than this are copied */
    OUTBOX_PIECES = 64,   /* most pieces of one writev */
};

struct outbox_value {
    size_t at; /* how much text stands before it */
    struct weir_value *value;
};

struct outbox {
    char *text;
    size_t len, room;
    struct outbox_value *values;
    uint32_t n_values, values_room;
    size_t text_sent;
    uint32_t values_sent;
    uint64_t value_sent; /* bytes of the value that is next */
    uint64_t pending;    /* bytes that have not been sent */
    uint64_t held;       /* bytes of values that have not been sent */
    bool failed;         /* memory was short: the stream has a hole */
};

/* outbox_room returns where n bytes may be written, for outbox_wrote; NULL:
 * memory is short. */
char *outbox_room(struct outbox *o, size_t n);
void outbox_wrote(struct outbox *o, size_t n);

void outbox_add(struct outbox *o, const void *bytes, size_t n);
void outbox_text(struct outbox *o, const char *text);

/* outbox_line_at writes a mark, a number and a newline to a place with room for
 * 27 bytes; returns how many it wrote. */
size_t outbox_line_at(char *to, char mark, int64_t number);

/* outbox_line adds a mark, a number and a newline. */
void outbox_line(struct outbox *o, char mark, int64_t number);

/* outbox_bulk adds a bulk string. */
void outbox_bulk(struct outbox *o, const void *bytes, size_t n);

/* outbox_value adds a value as a bulk string, of a large one a reference. */
void outbox_value(struct outbox *o, struct weir_value *v);

/* outbox_pieces fills pieces with what is to be sent next; returns how many. */
int outbox_pieces(const struct outbox *o, struct iovec *pieces);

/* outbox_sent counts bytes off. */
void outbox_sent(struct outbox *o, size_t n);

void outbox_free(struct outbox *o);

#endif
