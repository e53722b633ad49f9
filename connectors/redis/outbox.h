/* outbox.h -- gathers commands to send: short parts are copied, long ones are
 * sent from where they are. */
#ifndef WEIR_REDIS_OUTBOX_H
#define WEIR_REDIS_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "connector.h"
#include "link.h"

enum {
    OUTBOX_BYTES = 65536,
    OUTBOX_SEGMENTS = 512,
};

/* A copy of bytes, at the begin of the memory that it is in. */
struct outbox_copy {
    struct outbox_copy *next;
    struct weir_value *memory;
    uint64_t end; /* it is freed when outbox.sent reaches this */
};

struct outbox {
    char *bytes;         /* a buffer of OUTBOX_BYTES for copied parts */
    uint32_t used;       /* bytes of it */
    uint32_t first, end; /* the segments to send: [first, end) */
    uint64_t put, sent;  /* bytes put in and sent since the session began */
    struct iovec *open;  /* the segment that the next copied bytes extend; or
                            NULL */
    struct weir_call *lending; /* lender of the segments put in now, or NULL */
    struct outbox_copy *copies;
    struct iovec segment[OUTBOX_SEGMENTS];
    struct weir_call *lender[OUTBOX_SEGMENTS]; /* of each segment, or NULL */
};

/* outbox_init makes an empty outbox. Returns 0 or -ENOMEM. */
int outbox_init(struct outbox *o);
void outbox_free(struct outbox *o);

/* outbox_has_room returns whether so many copied bytes and segments fit. */
bool outbox_has_room(const struct outbox *o, size_t bytes, uint32_t segments);

/* outbox_append adds a segment and returns it. */
struct iovec *outbox_append(struct outbox *o, const void *bytes, size_t len);

/* outbox_extend returns room for copied bytes, at the end of the open segment
 * or in a new one. The caller has checked that they fit. */
static inline char *outbox_extend(struct outbox *o, size_t len)
{
    char *to = o->bytes + o->used;

    if (o->open != NULL)
        o->open->iov_len += len;
    else
        o->open = outbox_append(o, to, len);
    o->used += (uint32_t)len;
    o->put += len;
    return to;
}

/* outbox_copy copies bytes in. It is inline so that words of known length cost
 * a few instructions: a small command has five parts. */
static inline void outbox_copy(struct outbox *o, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(outbox_extend(o, len), bytes, len);
}

/* outbox_line puts in a line like "*3" or "$16". */
void outbox_line(struct outbox *o, char sign, uint64_t number);

/* outbox_number puts in a number as a bulk string. */
void outbox_number(struct outbox *o, uint64_t number);

/* outbox_refer puts in bytes without a copy: they must stay in place until they
 * are sent. */
void outbox_refer(struct outbox *o, const void *bytes, size_t len);

/* outbox_shift puts in bytes from a copy. The copy begins as far behind the
 * start of a cache line as the bytes will lie in the data that is sent from now
 * on: see put_value. Without memory for a copy they are put in as they are. */
void outbox_shift(struct outbox *o, const void *bytes, size_t len);

/* outbox_lend begins a command that refers to memory lent to that call: it is
 * sent only while the memory is lent. NULL ends the command. */
void outbox_lend(struct outbox *o, struct weir_call *lender);

/* outbox_flush sends as much as the link accepts. Returns 0 if all was sent,
 * -EAGAIN, -ECANCELED if the memory of the next command, or of the rest of it,
 * was taken back, or the link's negative errno. */
int outbox_flush(struct outbox *o, struct link *l);

/* outbox_own copies the unsent parts of the command at [begin, end) of put, so
 * that the caller's memory is not used any more. Returns 0, -ENOMEM, or -EBUSY
 * if lent memory was taken back. */
int outbox_own(struct outbox *o, uint64_t begin, uint64_t end);

/* outbox_drop removes the next len bytes as if they were sent. */
void outbox_drop(struct outbox *o, uint64_t len);

#endif
