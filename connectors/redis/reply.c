/* reply.c -- reads one line of RESP2 in place, without copies or state.
 *
 * It accepts nothing but the exact grammar, so that a stream out of step is
 * noticed at the first line and not after a wrong value. */
#include "reply.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Reads a status or an error. */
static int reply_text(const char *data, size_t len, struct reply *out)
{
    size_t most = len < REPLY_LINE_MAX ? len : REPLY_LINE_MAX;
    const char *end = memchr(data, '\r', most);

    if (end == NULL)
        return most == REPLY_LINE_MAX ? -EPROTO : 0;
    if ((size_t)(end - data) + 1 == len)
        return 0;
    if (end[1] != '\n')
        return -EPROTO;
    out->text = data + 1;
    out->length = (size_t)(end - data) - 1;
    return (int)(end - data) + 2;
}

/* Reads an integer or a length. */
static int reply_number(const char *data, size_t len, struct reply *out)
{
    bool negative = len > 1 && data[1] == '-';
    size_t first = negative ? 2 : 1, i = first;
    int sign = negative ? -1 : 1;
    int64_t number = 0;

    for (; i < len && data[i] >= '0' && data[i] <= '9'; i++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, sign * (data[i] - '0'), &number))
            return -EPROTO;
    }
    if (i < len && (i == first || data[i] != '\r'))
        return -EPROTO;
    if (i + 1 < len && data[i + 1] != '\n')
        return -EPROTO;
    if (i + 1 >= len)
        return i - first > 19 ? -EPROTO : 0;
    out->number = number;
    return (int)i + 2;
}

int reply_line(const char *data, size_t len, struct reply *out)
{
    int used;

    if (len == 0)
        return 0;
    *out = (struct reply){.type = (enum reply_type)data[0]};
    switch (data[0]) {
    case REPLY_STATUS:
    case REPLY_ERROR:
        return reply_text(data, len, out);
    case REPLY_INTEGER:
        return reply_number(data, len, out);
    case REPLY_BULK:
    case REPLY_ARRAY:
        used = reply_number(data, len, out);
        if (used > 0 && (out->number < -1 || out->number > REPLY_BULK_MAX))
            return -EPROTO;
        return used;
    default:
        return -EPROTO;
    }
}

ptrdiff_t reply_element(const char *data, size_t len, struct reply *out)
{
    ptrdiff_t used = reply_line(data, len, out);

    if (used <= 0 || out->type != REPLY_BULK || out->number < 0)
        return used;
    if (len - (size_t)used < (size_t)out->number + 2)
        return 0;
    out->text = data + used;
    out->length = (size_t)out->number;
    if (memcmp(out->text + out->length, "\r\n", 2) != 0)
        return -EPROTO;
    return used + out->number + 2;
}
