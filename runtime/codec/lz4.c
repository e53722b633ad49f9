/* lz4.c -- compression with LZ4: less, but faster than zstd. */
#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>

#include "state.h"

/* A block of LZ4 says at most 255 bytes with one. */
enum { MOST_RATIO = 255 };

uint32_t lz4_encode(const struct weir_codec *c, struct weir_coding_item *item)
{
    const struct weir_value *in = item->in;
    int room, size;
    uint32_t result;
    char *to;

    if (in->size == 0 || in->size > LZ4_MAX_INPUT_SIZE)
        return encode_stored(item);
    room = LZ4_compressBound((int)in->size);
    to = malloc((size_t)room);
    if (to == NULL)
        return WEIR_CODED_FAILED;
    size = c->options.level > 1
               ? LZ4_compress_HC(in->data, to, (int)in->size, room,
                                 c->options.level)
               : LZ4_compress_default(in->data, to, (int)in->size, room);
    result = encode_shrunk(c, item, WEIR_CODEC_LZ4, to,
                           size > 0 ? (uint64_t)size : 0);
    free(to);
    return result;
}

uint32_t lz4_decode(struct weir_coding_item *item, uint64_t length)
{
    uint64_t size = item->in->size - HEAD;
    char *to;

    /* No memory is taken for a length that cannot be true. */
    if (length > LZ4_MAX_INPUT_SIZE || size > LZ4_MAX_INPUT_SIZE ||
        length > size * MOST_RATIO)
        return WEIR_CODED_CORRUPT;
    item->out = weir_value_new(length, &to);
    if (item->out == NULL)
        return WEIR_CODED_FAILED;
    return LZ4_decompress_safe(item->in->data + HEAD, to, (int)size,
                               (int)length) == (int)length
               ? WEIR_CODED
               : WEIR_CODED_CORRUPT;
}
