/* inbox.c -- receives replies: `readv {payload's place, line buffer}`.
 *
 * Lent memory is held for one copy or one non-blocking system call at a time.
 * If it was taken back, the rest of the payload is received and discarded, so
 * that the next reply is found. */
#include "inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int inbox_init(struct inbox *in)
{
    in->bytes = malloc(INBOX_BYTES);
    in->limit = INBOX_BYTES;
    return in->bytes != NULL ? 0 : -ENOMEM;
}

void inbox_free(struct inbox *in)
{
    free(in->bytes);
    in->bytes = NULL;
}

void inbox_expect(struct inbox *in, char *to, uint64_t len,
                  struct weir_call *lender)
{
    in->filling = true;
    in->to = to;
    in->left = len;
    in->lender = lender;
    in->taken_back = false;
}

void inbox_discard(struct inbox *in)
{
    in->to = NULL;
    in->lender = NULL;
    in->taken_back = false;
}

/* Holds the place of the payload for one access. False: discard the bytes. */
static bool inbox_hold(struct inbox *in)
{
    if (in->to == NULL)
        return false;
    if (in->lender == NULL || weir_call_lend(in->lender))
        return true;
    in->to = NULL;
    in->taken_back = true;
    return false;
}

static void inbox_release(struct inbox *in)
{
    if (in->lender != NULL)
        weir_call_unlend(in->lender);
}

bool inbox_filled(struct inbox *in, bool *bad)
{
    size_t there;
    const char *at = inbox_at(in, &there);

    if (in->left > 0) {
        size_t n = there < in->left ? there : (size_t)in->left;

        if (n > 0 && inbox_hold(in)) {
            memcpy(in->to, at, n);
            inbox_release(in);
            in->to += n;
        }
        in->left -= n;
        inbox_consume(in, n);
        at = inbox_at(in, &there);
    }
    if (in->left > 0 || there == 0)
        return false;
    *bad = at[0] != '\r' || (there > 1 && at[1] != '\n');
    if (*bad || there == 1)
        return false;
    inbox_consume(in, 2);
    in->filling = false;
    return true;
}

/* Returns the room in the buffer to receive into: all that is free, or as much
 * as limit allows. */
static struct iovec inbox_room(struct inbox *in)
{
    uint32_t have = in->end - in->begin;
    bool dropping = in->filling && in->to == NULL;
    uint32_t room;

    if (have == 0) {
        in->begin = in->end = 0;
    } else if (INBOX_BYTES - in->end < INBOX_BYTES / 2) {
        memmove(in->bytes, in->bytes + in->begin, have);
        in->begin = 0;
        in->end = have;
    }
    room = INBOX_BYTES - in->end;
    if (!dropping && have < in->limit && room > in->limit - have)
        room = in->limit - have;
    return (struct iovec){in->bytes + in->end, room};
}

ssize_t inbox_receive(struct inbox *in, struct link *l, bool *full)
{
    struct iovec iov[2] = {{0}, inbox_room(in)};
    ssize_t moved;
    bool direct;
    size_t n;

    if (iov[1].iov_len == 0)
        return -EPROTO; /* a line or a key is longer than the buffer */
    direct = in->filling && in->left > 0 && inbox_hold(in);
    if (direct && in->left > INBOX_ONCE)
        iov[1].iov_len = 0;
    if (direct)
        iov[0] = (struct iovec){in->to,
                                in->left < INBOX_ONCE ? in->left : INBOX_ONCE};
    moved = l->receive(l, direct ? iov : iov + 1, direct ? 2 : 1);
    if (direct)
        inbox_release(in);
    if (moved < 0)
        return moved;
    *full = (size_t)moved == iov[0].iov_len + iov[1].iov_len;
    n = (size_t)moved < iov[0].iov_len ? (size_t)moved : iov[0].iov_len;
    if (direct)
        in->to += n;
    in->left -= n;
    in->end += (uint32_t)((size_t)moved - n);
    return moved;
}
