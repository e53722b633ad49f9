/* xxh3.c -- a checksum in front of a value: finds damage, not forgery. */
#include <endian.h>
#include <string.h>

#include "state.h"
#include "wide_xxh3.h"

enum { SUM = 8 };

static uint64_t sum_of(const char *bytes, uint64_t size)
{
    return htole64(XXH3_64bits_withSeed(bytes, size, size));
}

uint32_t xxh3_encode(struct weir_coding_item *item)
{
    const struct weir_value *in = item->in;
    uint64_t sum = sum_of(in->data, in->size);
    char *to;

    item->out = weir_value_new(HEAD + SUM + in->size, &to);
    if (item->out == NULL)
        return WEIR_CODED_FAILED;
    head_put(to, WEIR_CODEC_XXH3, 0, in->size);
    memcpy(to + HEAD, &sum, SUM);
    memcpy(to + HEAD + SUM, in->data, in->size);
    return WEIR_CODED;
}

uint32_t xxh3_decode(struct weir_coding_item *item, uint64_t length)
{
    const char *bytes = item->in->data + HEAD + SUM;
    uint64_t sum;

    if (item->in->size < HEAD + SUM || length != item->in->size - HEAD - SUM)
        return WEIR_CODED_CORRUPT;
    memcpy(&sum, item->in->data + HEAD, SUM);
    if (sum != sum_of(bytes, length))
        return WEIR_CODED_CORRUPT;
    item->out = weir_value_copy(bytes, length);
    return item->out != NULL ? WEIR_CODED : WEIR_CODED_FAILED;
}
