/* incr.c -- adds to a number that is stored as decimal digits. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "connector.h"

/* Parses what printf would write. -1: it is something else. */
static int parse(const char *digits, uint64_t size, int64_t *out)
{
    bool negative = size > 0 && digits[0] == '-';
    uint64_t at = negative, sum = 0;

    if (size > WEIR_NUMBER_MAX || at == size ||
        (digits[at] == '0' && size != 1))
        return -1;
    for (; at < size; at++) {
        if (digits[at] < '0' || digits[at] > '9' ||
            __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(digits[at] - '0'), &sum))
            return -1;
    }
    if (sum > (uint64_t)INT64_MAX + negative)
        return -1;
    *out = negative ? (int64_t)-sum : (int64_t)sum;
    return 0;
}

uint32_t weir_call_incr(struct weir_call *call, struct weir_item *item,
                        const char *digits, uint64_t size, char *out)
{
    char text[WEIR_NUMBER_MAX + 1];
    int64_t number = 0;
    int len;

    if (digits != NULL && parse(digits, size, &number) < 0) {
        weir_call_fail(call, item, WEIR_INVALID,
                       "the value is not a decimal number of 64 bits");
        return 0;
    }
    if (__builtin_add_overflow(number, item->number, &number)) {
        weir_call_fail(call, item, WEIR_INVALID,
                       "the sum does not fit a number of 64 bits");
        return 0;
    }
    item->number = number;
    len = snprintf(text, sizeof text, "%" PRId64, number);
    memcpy(out, text, (size_t)len);
    return (uint32_t)len;
}
