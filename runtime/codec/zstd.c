/* zstd.c -- compression with Zstandard, with or without a dictionary. */
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "connector.h"
#include "state.h"

int zstd_prepare(struct weir_codec *c, struct weir_error *err)
{
    const struct weir_codec_options *o = &c->options;

    if (ZSTD_getDictID_fromDict(o->dictionary, o->dictionary_size) == 0)
        return weir_error_set(err, -EINVAL,
                              "the dictionary was not made by zstd --train");
    c->compress = ZSTD_createCDict(o->dictionary, o->dictionary_size, o->level);
    c->decompress = ZSTD_createDDict(o->dictionary, o->dictionary_size);
    return c->compress != NULL && c->decompress != NULL ? 0 : -ENOMEM;
}

void zstd_forget(struct weir_codec *c)
{
    ZSTD_freeCDict(c->compress);
    ZSTD_freeDDict(c->decompress);
}

/* Returns the size, 0: it failed. */
static size_t compress(const struct weir_codec *c, const struct weir_value *in,
                       char *to, size_t room)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t size;

    if (context == NULL)
        return 0;
    size = c->compress != NULL
               ? ZSTD_compress_usingCDict(context, to, room, in->data, in->size,
                                          c->compress)
               : ZSTD_compressCCtx(context, to, room, in->data, in->size,
                                   c->options.level);
    ZSTD_freeCCtx(context);
    return ZSTD_isError(size) ? 0 : size;
}

uint32_t zstd_encode(const struct weir_codec *c, struct weir_coding_item *item)
{
    size_t room = ZSTD_compressBound(item->in->size);
    char *to = ZSTD_isError(room) ? NULL : malloc(room);
    uint32_t result;

    if (to == NULL)
        return WEIR_CODED_FAILED;
    result = encode_shrunk(c, item, WEIR_CODEC_ZSTD, to,
                           compress(c, item->in, to, room));
    free(to);
    return result;
}

static size_t decompress(const struct weir_codec *c, char *to, size_t length,
                         const char *frame, size_t size)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    size_t made;

    if (context == NULL)
        return 0;
    made = c->decompress != NULL
               ? ZSTD_decompress_usingDDict(context, to, length, frame, size,
                                            c->decompress)
               : ZSTD_decompressDCtx(context, to, length, frame, size);
    ZSTD_freeDCtx(context);
    return made;
}

uint32_t zstd_decode(const struct weir_codec *c, struct weir_coding_item *item,
                     uint64_t length)
{
    const char *frame = item->in->data + HEAD;
    size_t size = item->in->size - HEAD;
    char *to;

    /* What the frame says must be true before memory is taken for it. */
    if (ZSTD_getFrameContentSize(frame, size) != length)
        return WEIR_CODED_CORRUPT;
    item->out = weir_value_new(length, &to);
    if (item->out == NULL)
        return WEIR_CODED_FAILED;
    return decompress(c, to, length, frame, size) == length
               ? WEIR_CODED
               : WEIR_CODED_CORRUPT;
}
