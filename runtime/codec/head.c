/* head.c -- the head of coded values, and values that have only a head. */
#include <endian.h>
#include <string.h>

#include "state.h"

static const char MAGIC[4] = {(char)0xb7, 'w', 'c', 1};

void head_put(char *at, uint32_t kind, uint32_t key_id, uint64_t length)
{
    uint64_t le = htole64(length);

    memcpy(at, MAGIC, sizeof MAGIC);
    at[4] = (char)kind;
    at[5] = (char)key_id;
    at[6] = at[7] = 0;
    memcpy(at + 8, &le, sizeof le);
}

bool head_begins(const struct weir_value *v)
{
    return v->size >= sizeof MAGIC && memcmp(v->data, MAGIC, sizeof MAGIC) == 0;
}

bool head_is(const struct weir_value *v)
{
    return v->size >= HEAD && head_begins(v) && v->data[6] == 0 &&
           v->data[7] == 0;
}

uint32_t encode_stored(struct weir_coding_item *item)
{
    const struct weir_value *in = item->in;
    char *to;

    item->out = weir_value_new(HEAD + in->size, &to);
    if (item->out == NULL)
        return WEIR_CODED_FAILED;
    head_put(to, WEIR_CODEC_STORED, 0, in->size);
    memcpy(to + HEAD, in->data, in->size);
    return WEIR_CODED;
}

uint32_t encode_shrunk(const struct weir_codec *c,
                       struct weir_coding_item *item, uint32_t kind,
                       const char *compressed, uint64_t size)
{
    uint64_t length = item->in->size;
    char *to;

    if (size == 0 || (double)size > (double)length * c->options.worth)
        return encode_stored(item);
    item->out = weir_value_new(HEAD + size, &to);
    if (item->out == NULL)
        return WEIR_CODED_FAILED;
    head_put(to, kind, 0, length);
    memcpy(to + HEAD, compressed, size);
    return WEIR_CODED;
}
