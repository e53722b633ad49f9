/* coding.c -- makes codecs, and codes values by them. */
#include "codec.h"

#include <endian.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "connector.h"
#include "state.h"

/* ---- encoding ---- */

static uint32_t encode(const struct weir_codec *c,
                       struct weir_coding_item *item)
{
    switch (c->options.kind) {
    case WEIR_CODEC_XXH3:
        return xxh3_encode(item);
    case WEIR_CODEC_AES:
        return aes_encode(c, item);
    }
    if (item->in->size < c->options.above)
        return encode_stored(item);
    return c->options.kind == WEIR_CODEC_ZSTD ? zstd_encode(c, item)
                                              : lz4_encode(c, item);
}

/* ---- decoding ---- */

static uint32_t decode_stored(struct weir_coding_item *item, uint64_t length)
{
    if (length != item->in->size - HEAD)
        return WEIR_CODED_CORRUPT;
    item->out = weir_value_copy(item->in->data + HEAD, length);
    return item->out != NULL ? WEIR_CODED : WEIR_CODED_FAILED;
}

/* A codec reads what any of its family made. */
static bool is_family(const struct weir_codec *c, uint32_t kind)
{
    if (c->options.kind == WEIR_CODEC_XXH3 || c->options.kind == WEIR_CODEC_AES)
        return kind == c->options.kind;
    return kind <= WEIR_CODEC_LZ4;
}

static uint32_t decode(const struct weir_codec *c,
                       struct weir_coding_item *item)
{
    uint32_t kind;
    uint64_t length;

    if (!head_is(item->in)) {
        if (!c->options.plain || head_begins(item->in))
            return WEIR_CODED_CORRUPT;
        item->out = weir_value_ref(item->in);
        return WEIR_CODED_PLAIN;
    }
    kind = (uint8_t)item->in->data[4];
    memcpy(&length, item->in->data + 8, sizeof length);
    length = le64toh(length);
    if (!is_family(c, kind))
        return WEIR_CODED_CORRUPT;
    if (length > c->options.max)
        return WEIR_CODED_TOOBIG;
    switch (kind) {
    case WEIR_CODEC_STORED:
        return decode_stored(item, length);
    case WEIR_CODEC_ZSTD:
        return zstd_decode(c, item, length);
    case WEIR_CODEC_LZ4:
        return lz4_decode(item, length);
    case WEIR_CODEC_XXH3:
        return xxh3_decode(item, length);
    default:
        return aes_decode(c, item, length);
    }
}

/* ---- codecs ---- */

int weir_codec_new(struct weir_codec **out, const struct weir_codec_options *o,
                   struct weir_error *err)
{
    struct weir_codec *c;

    if (o->kind < WEIR_CODEC_ZSTD || o->kind > WEIR_CODEC_AES)
        return weir_error_set(err, -EINVAL, "no codec has the number %u",
                              o->kind);
    if (o->kind == WEIR_CODEC_AES && o->n_keys == 0)
        return weir_error_set(err, -EINVAL, "encryption needs a key");
    /* OpenSSL ends in an atexit of its own, which must run after the one that
     * waits for jobs: so it is registered before. */
    if (o->kind == WEIR_CODEC_AES)
        OPENSSL_init_crypto(0, NULL);
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    atomic_init(&c->refs, 1);
    c->options = *o;
    c->keys = calloc(o->n_keys + 1, sizeof *c->keys);
    if (c->keys == NULL) {
        free(c);
        return -ENOMEM;
    }
    if (o->n_keys > 0)
        memcpy(c->keys, o->keys, o->n_keys * sizeof *c->keys);
    if (o->dictionary != NULL) {
        int rc = zstd_prepare(c, err);

        if (rc < 0) {
            weir_codec_free(c);
            return rc;
        }
    }
    *out = c;
    return 0;
}

void weir_codec_free(struct weir_codec *c)
{
    if (c == NULL || atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    zstd_forget(c);
    OPENSSL_cleanse(c->keys, c->options.n_keys * sizeof *c->keys);
    free(c->keys);
    free(c);
}

/* ---- codings ---- */

struct weir_coding *weir_coding_new(struct weir_codec *c, int decoding,
                                    uint32_t n)
{
    struct weir_coding *w;

    w = calloc(1, sizeof *w + (size_t)n * sizeof w->items[0]);
    if (w == NULL)
        return NULL;
    atomic_fetch_add(&c->refs, 1);
    w->codec = c;
    w->refs = 1;
    w->decode = decoding != 0;
    w->n = n;
    return w;
}

int weir_coding_put(struct weir_coding *w, uint32_t i, struct weir_value *v,
                    const char *key, uint32_t key_len)
{
    struct weir_coding_item *item = &w->items[i];

    item->in = v;
    if (w->codec->options.kind != WEIR_CODEC_AES)
        return 0;
    item->key = malloc(key_len + 1);
    if (item->key == NULL)
        return -ENOMEM;
    memcpy(item->key, key, key_len);
    item->key_len = key_len;
    return 0;
}

static bool has_out(const struct weir_coding_item *item)
{
    return item->result == WEIR_CODED || item->result == WEIR_CODED_PLAIN;
}

void weir_coding_run(struct weir_coding *w)
{
    uint64_t begun = weir_now();

    for (uint32_t i = 0; i < w->n; i++) {
        struct weir_coding_item *item = &w->items[i];

        if (item->in == NULL)
            continue;
        item->result =
            w->decode ? decode(w->codec, item) : encode(w->codec, item);
        if (!has_out(item)) {
            weir_value_unref(item->out);
            item->out = NULL;
        }
    }
    w->ns = weir_now() - begun;
}

void weir_coding_ref(struct weir_coding *w)
{
    __atomic_fetch_add(&w->refs, 1, __ATOMIC_RELAXED);
}

void weir_coding_free(struct weir_coding *w)
{
    if (w == NULL || __atomic_fetch_sub(&w->refs, 1, __ATOMIC_ACQ_REL) > 1)
        return;
    for (uint32_t i = 0; i < w->n; i++) {
        weir_value_unref(w->items[i].in);
        weir_value_unref(w->items[i].out);
        free(w->items[i].key);
    }
    weir_codec_free(w->codec);
    free(w);
}

void weir_coding_job(void *coding)
{
    weir_coding_run(coding);
    weir_coding_free(coding);
}
