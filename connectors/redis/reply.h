/* reply.h -- reads RESP2, one line at a time. */
#ifndef WEIR_REDIS_REPLY_H
#define WEIR_REDIS_REPLY_H

#include <stddef.h>
#include <stdint.h>

enum {
    REPLY_LINE_MAX =
        16384, /* longer statuses and errors are against the protocol */
};

/* Longer bulk strings are against the protocol: the stream is out of step. */
#define REPLY_BULK_MAX ((int64_t)1 << 32)

enum reply_type {
    REPLY_STATUS = '+',
    REPLY_ERROR = '-',
    REPLY_INTEGER = ':',
    REPLY_BULK = '$',
    REPLY_ARRAY = '*',
};

/* One line: a whole status, error or integer, or the head of a bulk string or
 * an array, which its bytes or elements follow. */
struct reply {
    enum reply_type type;
    int64_t number;   /* of an integer; length of a bulk or array, -1: nil */
    const char *text; /* of a status, an error or a bulk, in the data */
    size_t length;    /* of the text, without its end of line */
};

/* reply_line reads the line at the begin of data. Returns the number of its
 * bytes, 0 if its end is missing, or -EPROTO. */
int reply_line(const char *data, size_t len, struct reply *out);

/* reply_element reads a line, and the bytes of a bulk string into out->text.
 * Returns as reply_line does. */
ptrdiff_t reply_element(const char *data, size_t len, struct reply *out);

#endif
