#include "outbox.h"

#include <stdlib.h>
#include <string.h>

enum {
    TEXT_FIRST = 1024,
    TEXT_KEPT = 1 << 20, /* an empty outbox keeps no more than this */
};

/* A client that always asks for more than it has read never empties its outbox,
 * so what was sent is removed when it is half of what is there: then no more
 * bytes are moved than are freed. */
static void remove_sent_text(struct outbox *o)
{
    size_t sent = o->text_sent;

    if (sent < o->len - sent)
        return;
    memmove(o->text, o->text + sent, o->len - sent);
    for (uint32_t i = o->values_sent; i < o->n_values; i++)
        o->values[i].at -= sent;
    o->len -= sent;
    o->text_sent = 0;
}

static void remove_sent_values(struct outbox *o)
{
    uint32_t rest = o->n_values - o->values_sent;

    if (o->values_sent < rest)
        return;
    memmove(o->values, o->values + o->values_sent, rest * sizeof *o->values);
    o->n_values = rest;
    o->values_sent = 0;
}

char *outbox_room(struct outbox *o, size_t n)
{
    size_t room;
    char *grown;

    if (o->room - o->len < n && o->text_sent > 0)
        remove_sent_text(o);
    if (o->room - o->len >= n)
        return o->text + o->len;
    room = o->room ? o->room : TEXT_FIRST;
    while (room - o->len < n)
        room *= 2;
    grown = realloc(o->text, room);
    if (grown == NULL) {
        o->failed = true;
        return NULL;
    }
    o->text = grown;
    o->room = room;
    return o->text + o->len;
}

void outbox_wrote(struct outbox *o, size_t n)
{
    o->len += n;
    o->pending += n;
}

void outbox_add(struct outbox *o, const void *bytes, size_t n)
{
    char *to = outbox_room(o, n);

    if (to == NULL)
        return;
    memcpy(to, bytes, n);
    outbox_wrote(o, n);
}

void outbox_text(struct outbox *o, const char *text)
{
    outbox_add(o, text, strlen(text));
}

size_t outbox_line_at(char *to, char mark, int64_t number)
{
    uint64_t x = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char digits[24];
    size_t n = sizeof digits, len;

    do {
        digits[--n] = (char)('0' + x % 10);
        x /= 10;
    } while (x > 0);
    if (number < 0)
        digits[--n] = '-';
    len = sizeof digits - n;
    to[0] = mark;
    memcpy(to + 1, digits + n, len);
    to[len + 1] = '\r';
    to[len + 2] = '\n';
    return len + 3;
}

enum { LINE_MAX_BYTES = 27 };

void outbox_line(struct outbox *o, char mark, int64_t number)
{
    char *to = outbox_room(o, LINE_MAX_BYTES);

    if (to != NULL)
        outbox_wrote(o, outbox_line_at(to, mark, number));
}

void outbox_bulk(struct outbox *o, const void *bytes, size_t n)
{
    char *to = outbox_room(o, n + LINE_MAX_BYTES + 2);
    size_t len;

    if (to == NULL)
        return;
    len = outbox_line_at(to, '$', (int64_t)n);
    memcpy(to + len, bytes, n);
    to[len + n] = '\r';
    to[len + n + 1] = '\n';
    outbox_wrote(o, len + n + 2);
}

static bool grow_values(struct outbox *o)
{
    uint32_t room = o->values_room ? 2 * o->values_room : 8;
    struct outbox_value *grown;

    if (o->n_values == o->values_room && o->values_sent > 0)
        remove_sent_values(o);
    if (o->n_values < o->values_room)
        return true;
    grown = realloc(o->values, room * sizeof *grown);
    if (grown == NULL) {
        o->failed = true;
        return false;
    }
    o->values = grown;
    o->values_room = room;
    return true;
}

void outbox_value(struct outbox *o, struct weir_value *v)
{
    if (v->size < OUTBOX_COPIED) {
        outbox_bulk(o, v->data, (size_t)v->size);
        return;
    }
    if (!grow_values(o))
        return;
    outbox_line(o, '$', (int64_t)v->size);
    o->values[o->n_values++] =
        (struct outbox_value){.at = o->len, .value = weir_value_ref(v)};
    o->pending += v->size;
    o->held += v->size;
    outbox_add(o, "\r\n", 2);
}

static int add_piece(struct iovec *pieces, int n, const char *bytes, size_t len)
{
    if (len == 0)
        return n;
    pieces[n] =
        (struct iovec){.iov_base = (char *)(uintptr_t)bytes, .iov_len = len};
    return n + 1;
}

int outbox_pieces(const struct outbox *o, struct iovec *pieces)
{
    uint64_t skip = o->value_sent;
    size_t at = o->text_sent;
    uint32_t i = o->values_sent;
    int n = 0;

    for (; i < o->n_values && n + 2 < OUTBOX_PIECES; i++) {
        const struct outbox_value *v = &o->values[i];

        n = add_piece(pieces, n, o->text + at, v->at - at);
        n = add_piece(pieces, n, v->value->data + skip,
                      (size_t)(v->value->size - skip));
        at = v->at;
        skip = 0;
    }
    if (i == o->n_values)
        n = add_piece(pieces, n, o->text + at, o->len - at);
    return n;
}

/* Counts bytes of the next value off; returns how many that were. */
static size_t value_sent(struct outbox *o, size_t n)
{
    struct weir_value *v = o->values[o->values_sent].value;

    if (n < v->size - o->value_sent) {
        o->value_sent += n;
        return n;
    }
    n = (size_t)(v->size - o->value_sent);
    o->held -= v->size;
    o->value_sent = 0;
    o->values_sent++;
    weir_value_unref(v);
    return n;
}

void outbox_sent(struct outbox *o, size_t n)
{
    o->pending -= n;
    while (n > 0) {
        size_t until = o->values_sent < o->n_values
                           ? o->values[o->values_sent].at
                           : o->len;
        size_t text = until - o->text_sent < n ? until - o->text_sent : n;

        o->text_sent += text;
        n -= text;
        if (n > 0)
            n -= value_sent(o, n);
    }
    if (o->pending > 0)
        return;
    o->len = o->text_sent = 0;
    o->n_values = o->values_sent = 0;
    if (o->room > TEXT_KEPT) {
        free(o->text);
        o->text = NULL;
        o->room = 0;
    }
}

void outbox_free(struct outbox *o)
{
    while (o->values_sent < o->n_values)
        weir_value_unref(o->values[o->values_sent++].value);
    free(o->values);
    free(o->text);
    *o = (struct outbox){0};
}
