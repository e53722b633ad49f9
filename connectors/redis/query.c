/* query.c -- a command to a server beside the pipeline, and its reply. */
#include "query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { REPLY_MAX = 8 << 20, REPLY_STEP = 64 << 10 };

int query_send(struct query *q, const char *command)
{
    struct iovec rest = {(char *)command, strlen(command)};

    while (rest.iov_len > 0) {
        ssize_t n = q->link.send(&q->link, &rest, 1);

        if (n == -EAGAIN)
            n = attempt_wait(&q->at, q->link.fd, link_events(&q->link, true),
                             UINT64_MAX);
        else if (n > 0)
            rest = (struct iovec){(char *)rest.iov_base + n,
                                  rest.iov_len - (size_t)n};
        if (n < 0)
            return (int)n;
    }
    return 0;
}

int query_receive(struct query *q)
{
    char *grown = realloc(q->bytes, q->len + REPLY_STEP);
    struct iovec room;
    ssize_t n;

    if (grown == NULL)
        return -ENOMEM;
    q->bytes = grown;
    if (q->len > REPLY_MAX)
        return -EPROTO;
    room = (struct iovec){grown + q->len, REPLY_STEP};
    n = q->link.receive(&q->link, &room, 1);
    if (n == -EAGAIN)
        return attempt_wait(&q->at, q->link.fd, link_events(&q->link, false),
                            UINT64_MAX);
    if (n > 0)
        q->len += (size_t)n;
    return n < 0 ? (int)n : attempt_stopped(&q->at);
}

/* ---- whole replies ---- */

/* Reads one element at *at. Returns 1, 0: its end is missing, or -EPROTO. */
static int read_element(const struct query *q, size_t *at, struct reply *out)
{
    ptrdiff_t used = reply_element(q->bytes + *at, q->len - *at, out);

    if (used <= 0)
        return (int)used;
    *at += (size_t)used;
    return 1;
}

/* Reads the elements of an array. Returns as read_element does. */
static int read_array(const struct query *q, size_t *at, int64_t n,
                      struct answer *out)
{
    if (n > (int64_t)(sizeof out->element / sizeof *out->element))
        return -EPROTO;
    out->n = (int)n;
    for (int64_t i = 0; i < n; i++) {
        int rc = read_element(q, at, &out->element[i]);

        if (rc <= 0)
            return rc;
        if (out->element[i].type == REPLY_ARRAY)
            return -EPROTO;
    }
    return 1;
}

/* Reads a reply. Returns as read_element does. */
static int read_answer(const struct query *q, size_t *at, struct answer *out)
{
    struct reply head;
    int rc = read_element(q, at, &head);

    if (rc <= 0)
        return rc;
    out->is_error = head.type == REPLY_ERROR;
    if (head.type == REPLY_ARRAY)
        return read_array(q, at, head.number, out);
    out->n = head.type == REPLY_BULK && head.number < 0 ? -1 : 1;
    out->element[0] = head;
    return 1;
}

int query_answer(struct query *q, struct answer *out)
{
    for (;;) {
        size_t at = 0;
        int rc = q->len > 0 ? read_answer(q, &at, out) : 0;

        if (rc != 0)
            return rc < 0 ? rc : 0;
        rc = query_receive(q);
        if (rc < 0)
            return rc;
    }
}

void query_next(struct query *q)
{
    struct answer a;
    size_t at = 0;

    if (q->len == 0 || read_answer(q, &at, &a) <= 0)
        return;
    memmove(q->bytes, q->bytes + at, q->len - at);
    q->len -= at;
}

void query_end(struct query *q)
{
    link_close(&q->link);
    free(q->bytes);
    q->bytes = NULL;
    q->len = 0;
}
