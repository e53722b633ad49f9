/* outbox.h -- commands on their way out: short bytes copied, long ones where
 * they lie. */
#ifndef WEIR_REDIS_OUTBOX_H
#define WEIR_REDIS_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connector.h"
#include "link.h"

enum {
    OUTBOX_BYTES = 65536,
    OUTBOX_SEGMENTS = 512,
};

/* Bytes of the outbox's own, in place of some that their owner wants back. */
struct outbox_copy {
    struct outbox_copy *next;
    uint64_t end; /* of outbox.sent, when it can go */
    char bytes[];
};

struct outbox {
    char *bytes;         /* OUTBOX_BYTES, for what is copied */
    uint32_t used;       /* of bytes */
    uint32_t first, end; /* segments not sent yet: [first, end) */
    uint64_t put, sent;  /* bytes ever put in, ever sent */
    struct iovec *open;  /* the segment that copied bytes lengthen, or NULL */
    struct weir_call *lending; /* of what is put in now, or NULL */
    struct outbox_copy *copies;
    struct iovec segment[OUTBOX_SEGMENTS];
    struct weir_call *lender[OUTBOX_SEGMENTS];
};

/* outbox_init makes an empty one; -ENOMEM. */
int outbox_init(struct outbox *o);
void outbox_free(struct outbox *o);

/* outbox_has_room says whether so many bytes and segments fit in now. */
bool outbox_has_room(const struct outbox *o, size_t bytes, uint32_t segments);

/* outbox_copy puts bytes in; there is room. */
void outbox_copy(struct outbox *o, const void *bytes, size_t len);

/* outbox_line puts in a line of a sign and a number: "*3", "$16". */
void outbox_line(struct outbox *o, char sign, uint64_t number);

/* outbox_number puts in a word that is a number, with its length. */
void outbox_number(struct outbox *o, uint64_t number);

/* outbox_refer puts in bytes that stay where they are until they are sent. */
void outbox_refer(struct outbox *o, const void *bytes, size_t len);

/* outbox_lend makes what is put in from now on, a command that refers to lent
 * memory, go only as long as that call lends it; NULL: the next is without. */
void outbox_lend(struct outbox *o, struct weir_call *lender);

/* outbox_flush sends what the link takes now. 0: all is sent; -EAGAIN: the
 * link is full; -ECANCELED: what comes next is a command, or the rest of one,
 * whose memory was taken back; else the link broke. */
int outbox_flush(struct outbox *o, struct link *l);

/* outbox_own copies what is not sent of a command, put in at [begin, end), as
 * far as it lies outside: from then on its memory is not touched. -EBUSY: lent
 * memory was taken back; -ENOMEM. */
int outbox_own(struct outbox *o, uint64_t begin, uint64_t end);

/* outbox_drop takes the next len bytes out as if they were sent. */
void outbox_drop(struct outbox *o, uint64_t len);

#endif
