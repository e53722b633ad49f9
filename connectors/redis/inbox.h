/* inbox.h -- receives replies: lines to a buffer, payloads (the bytes of a
 * value) directly to their place. */
#ifndef WEIR_REDIS_INBOX_H
#define WEIR_REDIS_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connector.h"
#include "link.h"

enum {
    INBOX_BYTES = 81920,  /* the buffer: holds the longest key and its lines */
    INBOX_DIRECT = 16384, /* of longer payloads each is received by a system
                             call of its own ... */
    INBOX_LINES = 2048,   /* ... with so many bytes of the buffer for lines */
    INBOX_ONCE = 4 << 20, /* most of a payload in one call: then the deadline is
                             checked */
};

struct inbox {
    char *bytes;
    uint32_t begin, end; /* received in the buffer and not consumed */
    uint32_t limit;      /* bytes of the buffer to receive into: payload that
                            lands there must be copied */
    bool filling;        /* a payload is being received */
    char *to;            /* the place of its next byte; NULL: discard it */
    uint64_t left;       /* its bytes that are not in place */
    struct weir_call *lender; /* if the place is lent memory, else NULL */
    bool taken_back;          /* the lent memory was taken back meanwhile */
};

/* inbox_init makes an empty inbox. Returns 0 or -ENOMEM. */
int inbox_init(struct inbox *in);
void inbox_free(struct inbox *in);

/* inbox_expect declares the next len bytes a payload with that place (NULL:
 * discard them). lender: the call whose lent memory the place is, or NULL. */
void inbox_expect(struct inbox *in, char *to, uint64_t len,
                  struct weir_call *lender);

/* inbox_discard discards the rest of the payload. */
void inbox_discard(struct inbox *in);

/* inbox_filled moves the payload's bytes from the buffer to their place. True:
 * the payload and its end of line are complete. *bad: no end of line follows.
 */
bool inbox_filled(struct inbox *in, bool *bad);

/* inbox_receive receives once. Returns the number of bytes, -EAGAIN, or another
 * negative errno. *full: all the room was used, so more may be waiting. */
ssize_t inbox_receive(struct inbox *in, struct link *l, bool *full);

/* inbox_at returns the bytes in the buffer that were not consumed. */
static inline const char *inbox_at(const struct inbox *in, size_t *len)
{
    *len = in->end - in->begin;
    return in->bytes + in->begin;
}

static inline void inbox_consume(struct inbox *in, size_t len)
{
    in->begin += (uint32_t)len;
}

#endif
