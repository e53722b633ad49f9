/* codec.c -- any bytes as a coded value, for each codec: the decoders read only
 * what they were given, and what they accept has the length that its head says.
 */

#include "../../runtime/codec/aes.c"
#include "../../runtime/codec/coding.c"
#include "../../runtime/codec/head.c"
#include "../../runtime/codec/lz4.c"
#include "../../runtime/codec/pieces.c"
#include "../../runtime/codec/xxh3.c"
#include "../../runtime/codec/zstd.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { MOST = 1 << 20 };

static struct weir_codec *codecs[WEIR_CODEC_AES + 1];

static void make_codecs(void)
{
    struct weir_codec_key key = {.id = 1};

    for (uint32_t kind = WEIR_CODEC_ZSTD; kind <= WEIR_CODEC_AES; kind++) {
        struct weir_codec_options o = {.kind = kind,
                                       .max = MOST,
                                       .plain = kind % 2,
                                       .n_keys = 1,
                                       .keys = &key};
        struct weir_error err;

        if (weir_codec_new(&codecs[kind], &o, &err) < 0)
            __builtin_trap();
    }
}

static void decode_as(uint32_t kind, const uint8_t *bytes, size_t n)
{
    struct weir_coding *w = weir_coding_new(codecs[kind], 1, 1);
    uint64_t length;

    weir_coding_put(w, 0, weir_value_copy(bytes, n), "k", 1);
    weir_coding_run(w);
    if (w->items[0].result == WEIR_CODED) {
        memcpy(&length, bytes + 8, sizeof length);
        if (w->items[0].out->size != length || length > MOST)
            __builtin_trap();
    }
    weir_coding_free(w);
}

/* As it is, and behind a right sum, which guessing does not get by. */
static void read_pieces_of(const uint8_t *bytes, size_t n)
{
    struct weir_value *v = weir_value_copy(bytes, n);
    struct weir_pieces p;

    weir_pieces_read(&p, v);
    weir_value_unref(v);
    if (n < sizeof p)
        return;
    memcpy(&p, bytes, sizeof p);
    v = weir_value_copy(bytes, WEIR_PIECES_HEAD);
    weir_pieces_put(&p, (char *)v->data);
    if (weir_pieces_read(&p, v) == WEIR_CHUNKED_PIECES &&
        (p.length - 1) / p.piece >= WEIR_PIECES_MAX)
        __builtin_trap();
    weir_value_unref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (codecs[WEIR_CODEC_AES] == NULL)
        make_codecs();
    for (uint32_t kind = WEIR_CODEC_ZSTD; kind <= WEIR_CODEC_AES; kind++)
        decode_as(kind, bytes, n);
    if (n >= WEIR_PIECES_HEAD)
        read_pieces_of(bytes, n);
    return 0;
}
