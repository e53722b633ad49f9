/* outbox.c -- gathers commands and sends them with few system calls.
 *
 * The buffer and the segments are filled from the start, and start again when
 * all is sent. They are no rings: while the link is full, more room would gain
 * nothing. */
#include "outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 64 }; /* of a cache line */

int outbox_init(struct outbox *o)
{
    o->bytes = malloc(OUTBOX_BYTES);
    return o->bytes != NULL ? 0 : -ENOMEM;
}

/* Removes the copy at *at from the list. */
static void copy_free(struct outbox_copy **at)
{
    struct outbox_copy *copy = *at;

    *at = copy->next;
    weir_value_unref(copy->memory);
}

void outbox_free(struct outbox *o)
{
    while (o->copies != NULL)
        copy_free(&o->copies);
    free(o->bytes);
    o->bytes = NULL;
}

bool outbox_has_room(const struct outbox *o, size_t bytes, uint32_t segments)
{
    return OUTBOX_BYTES - o->used >= bytes &&
           OUTBOX_SEGMENTS - o->end >= segments;
}

struct iovec *outbox_append(struct outbox *o, const void *bytes, size_t len)
{
    o->segment[o->end] = (struct iovec){(void *)bytes, len};
    o->lender[o->end] = o->lending;
    return &o->segment[o->end++];
}

static size_t digits_of(uint64_t number)
{
    size_t n = 1;

    for (; number >= 10; number /= 10)
        n++;
    return n;
}

/* Writes a number of n digits and the end of line. */
static void write_number(char *to, uint64_t number, size_t n)
{
    to[n] = '\r';
    to[n + 1] = '\n';
    for (; n > 0; number /= 10)
        to[--n] = (char)('0' + number % 10);
}

void outbox_line(struct outbox *o, char sign, uint64_t number)
{
    size_t n = digits_of(number);
    char *to = outbox_extend(o, n + 3);

    *to = sign;
    write_number(to + 1, number, n);
}

void outbox_number(struct outbox *o, uint64_t number)
{
    size_t n = digits_of(number);

    outbox_line(o, '$', n);
    write_number(outbox_extend(o, n + 2), number, n);
}

void outbox_refer(struct outbox *o, const void *bytes, size_t len)
{
    outbox_append(o, bytes, len);
    o->open = NULL;
    o->put += len;
}

/* Copies bytes to memory that is freed when outbox.sent reaches end. The copy
 * begins at the same place of a cache line as `like`. NULL: out of memory. */
static char *copy_new(struct outbox *o, const void *bytes, size_t len,
                      uint64_t end, uint64_t like)
{
    char *data, *to;
    struct outbox_copy *copy;
    struct weir_value *memory =
        weir_value_new(sizeof *copy + LINE_BYTES + len, &data);

    if (memory == NULL)
        return NULL;
    copy = (struct outbox_copy *)data;
    *copy = (struct outbox_copy){o->copies, memory, end};
    o->copies = copy;
    to = (char *)(copy + 1);
    to += (like - (uintptr_t)to) % LINE_BYTES;
    return memcpy(to, bytes, len);
}

void outbox_shift(struct outbox *o, const void *bytes, size_t len)
{
    char *copy = copy_new(o, bytes, len, o->put + len, o->put - o->sent);

    outbox_refer(o, copy != NULL ? copy : bytes, len);
}

void outbox_lend(struct outbox *o, struct weir_call *lender)
{
    o->lending = lender;
    o->open = NULL;
}

/* Returns the number of segments before the first lent one. */
static uint32_t outbox_unlent(const struct outbox *o)
{
    uint32_t i = o->first;

    while (i < o->end && o->lender[i] == NULL)
        i++;
    return i - o->first;
}

/* Returns the number of segments to send together: only one lender is held. */
static uint32_t outbox_run(const struct outbox *o, struct weir_call **lender)
{
    uint32_t i = o->first + outbox_unlent(o);

    *lender = i < o->end ? o->lender[i] : NULL;
    while (i < o->end && (o->lender[i] == NULL || o->lender[i] == *lender))
        i++;
    return i - o->first;
}

/* ---- copies ---- */

/* Whether a segment is not in the outbox's buffer. */
static bool is_outside(const struct outbox *o, const struct iovec *s)
{
    return (uintptr_t)s->iov_base - (uintptr_t)o->bytes >= OUTBOX_BYTES;
}

static int segment_own(struct outbox *o, struct iovec *s, uint64_t end)
{
    char *copy = copy_new(o, s->iov_base, s->iov_len, end, 0);

    if (copy == NULL)
        return -ENOMEM;
    s->iov_base = copy;
    return 0;
}

int outbox_own(struct outbox *o, uint64_t begin, uint64_t end)
{
    struct weir_call *lender = NULL; /* a command has at most one */
    uint64_t at = o->sent;
    int rc = 0;

    for (uint32_t i = o->first; i < o->end && at < end && rc == 0; i++) {
        struct iovec *s = &o->segment[i];

        at += s->iov_len;
        if (at <= begin)
            continue;
        if (o->lender[i] != NULL && lender == NULL) {
            if (!weir_call_lend(o->lender[i]))
                return -EBUSY;
            lender = o->lender[i];
        }
        if (is_outside(o, s))
            rc = segment_own(o, s, at);
        o->lender[i] = NULL;
    }
    if (lender != NULL)
        weir_call_unlend(lender);
    return rc;
}

/* Frees the copies that were sent. */
static void drop_copies(struct outbox *o)
{
    struct outbox_copy **at = &o->copies;

    while (*at != NULL) {
        if ((*at)->end > o->sent)
            at = &(*at)->next;
        else
            copy_free(at);
    }
}

/* ---- send ---- */

void outbox_drop(struct outbox *o, uint64_t len)
{
    o->sent += len;
    drop_copies(o);
    while (len > 0) {
        struct iovec *s = &o->segment[o->first];

        if (len < s->iov_len) {
            s->iov_base = (char *)s->iov_base + len;
            s->iov_len -= len;
            return;
        }
        len -= s->iov_len;
        o->first++;
    }
    if (o->first < o->end)
        return;
    o->used = o->first = o->end = 0;
    o->open = NULL;
}

int outbox_flush(struct outbox *o, struct link *l)
{
    while (o->first < o->end) {
        struct weir_call *lender;
        uint32_t n = outbox_run(o, &lender);
        ssize_t moved;

        if (lender != NULL && !weir_call_lend(lender)) {
            lender = NULL;
            n = outbox_unlent(o);
            if (n == 0)
                return -ECANCELED;
        }
        moved = l->send(l, &o->segment[o->first], (int)n);
        if (lender != NULL)
            weir_call_unlend(lender);
        if (moved < 0)
            return (int)moved;
        outbox_drop(o, (uint64_t)moved);
    }
    return 0;
}
