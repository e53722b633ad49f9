/* inbox.h -- replies on their way in: lines through a buffer, payloads straight
 * to where they belong. */
#ifndef WEIR_REDIS_INBOX_H
#define WEIR_REDIS_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connector.h"
#include "link.h"

enum {
    INBOX_BYTES = 81920, /* holds the longest key and lines around it */
    INBOX_DIRECT =
        16384,          /* values so long are worth a call of their own each */
    INBOX_TASTE = 2048, /* offered behind a payload when they are */
    INBOX_MOST = 4 << 20, /* received of a payload until the next look at the
                             clock */
};

struct inbox {
    char *bytes;
    uint32_t begin, end; /* what was received and not consumed */
    uint32_t appetite;   /* how much to offer for lines: what is received in
                            the buffer but belongs elsewhere is copied */
    bool filling;        /* a payload is being received */
    char *to;            /* its next byte's place; NULL: nowhere, dropped */
    uint64_t left;       /* of it, not in place */
    struct weir_call *lender; /* whose memory that is, or NULL */
    bool taken_back;          /* the lender took it back meanwhile */
};

/* inbox_init makes an empty one; -ENOMEM. */
int inbox_init(struct inbox *in);
void inbox_free(struct inbox *in);

/* inbox_expect makes the next len bytes a payload for that place (NULL: they
 * are dropped), lent by lender if that is not NULL. */
void inbox_expect(struct inbox *in, char *to, uint64_t len,
                  struct weir_call *lender);

/* inbox_forget drops what still comes of the payload. */
void inbox_forget(struct inbox *in);

/* inbox_filled moves what the buffer has of the payload; true: it and the end
 * of line behind it have come. *bad: something else came instead. */
bool inbox_filled(struct inbox *in, bool *bad);

/* inbox_receive receives once. Bytes received, -EAGAIN, or negative; *full says
 * whether all that was offered was used, so that more may wait. */
ssize_t inbox_receive(struct inbox *in, struct link *l, bool *full);

/* inbox_at returns what is not consumed, *len how much that is. */
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
