/* reply.h -- the grammar of what a server says (RESP2), a line at a time. */
#ifndef WEIR_REDIS_REPLY_H
#define WEIR_REDIS_REPLY_H

#include <stddef.h>
#include <stdint.h>

enum {
    REPLY_LINE_MAX = 16384, /* the longest status or error that is believed */
};

/* The longest bulk that is believed: what is longer is noise, not a value. */
#define REPLY_BULK_MAX ((int64_t)1 << 32)

enum reply_type {
    REPLY_STATUS = '+',
    REPLY_ERROR = '-',
    REPLY_INTEGER = ':',
    REPLY_BULK = '$',
    REPLY_ARRAY = '*',
};

/* One line: all of a status, an error or an integer; of a bulk or an array the
 * head, whose bytes or elements come behind it. */
struct reply {
    enum reply_type type;
    int64_t number;   /* integer; bulk, array: the length, -1 for nil */
    const char *text; /* status, error: where it lies in the data */
    size_t length;    /* of the text, without its end of line */
};

/* reply_line reads the line that data begins with. It returns how many bytes
 * the line takes; 0: its end is not there yet; -EPROTO: no server says that. */
int reply_line(const char *data, size_t len, struct reply *out);

#endif
