/* damage.c -- a coded value comes back as it was, or not at all, whatever
 * became of its bytes. */
#include <string.h>

#include "../../runtime/codec/codec.h"
#include "../check.h"
#include "connector.h"

enum { ROUNDS = 4000 };

static struct weir_codec *make(uint32_t kind, uint8_t id)
{
    struct weir_codec_key key = {.id = id};
    struct weir_codec_options o = {.kind = kind,
                                   .above = 16,
                                   .worth = 0.9,
                                   .max = 1 << 20,
                                   .n_keys = 1,
                                   .keys = &key};
    struct weir_codec *c;
    struct weir_error err;

    memset(key.bytes, id, sizeof key.bytes);
    CHECK(weir_codec_new(&c, &o, &err) == 0);
    return c;
}

/* Codes one value, whose reference it takes. */
static struct weir_coding *code(struct weir_codec *c, int decode,
                                struct weir_value *v, const char *key)
{
    struct weir_coding *w = weir_coding_new(c, decode, 1);

    CHECK(w != NULL && v != NULL);
    CHECK(weir_coding_put(w, 0, v, key, (uint32_t)strlen(key)) == 0);
    weir_coding_run(w);
    return w;
}

/* Half of the values are compressible. */
static struct weir_value *some_value(uint64_t *state)
{
    uint64_t size = random_below(state, 3000), alike = random_below(state, 2);
    char *data;
    struct weir_value *v = weir_value_new(size, &data);

    CHECK(v != NULL);
    for (uint64_t i = 0; i < size; i++)
        data[i] = alike ? (char)(i / 50) : (char)random_next(state);
    return v;
}

static bool same(const struct weir_value *a, const struct weir_value *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static struct weir_value *damaged(const struct weir_value *v, uint64_t *state)
{
    uint64_t size = v->size;
    struct weir_value *copy;
    char *data;

    switch (random_below(state, 3)) {
    case 0: /* cut off */
        size = random_below(state, size);
        break;
    case 1: /* something behind it */
        size += 1 + random_below(state, 20);
        break;
    }
    copy = weir_value_new(size, &data);
    CHECK(copy != NULL);
    memset(data, 0x55, size);
    memcpy(data, v->data, size < v->size ? size : v->size);
    if (size == v->size)
        data[random_below(state, size)] ^= (char)(1 << random_below(state, 8));
    return copy;
}

/* zstd and lz4 without a checksum cannot notice every change of a bit: then the
 * value has its length. */
static void check_damaged(const struct weir_coding_item *item, uint32_t kind,
                          const struct weir_value *before)
{
    if (item->result != WEIR_CODED) {
        CHECK(item->out == NULL);
        return;
    }
    CHECK(kind == WEIR_CODEC_ZSTD || kind == WEIR_CODEC_LZ4 ||
          same(item->out, before));
}

static void come_back(uint32_t kind, uint64_t *state)
{
    struct weir_codec *c = make(kind, 7), *other = make(kind, 8);

    for (int i = 0; i < ROUNDS; i++) {
        struct weir_value *v = some_value(state);
        struct weir_coding *made = code(c, 0, weir_value_ref(v), "key"), *back;
        struct weir_value *coded = made->items[0].out;

        CHECK(made->items[0].result == WEIR_CODED && coded != NULL);
        back = code(c, 1, weir_value_ref(coded), "key");
        CHECK(back->items[0].result == WEIR_CODED);
        CHECK(same(back->items[0].out, v));
        weir_coding_free(back);
        back = code(c, 1, damaged(coded, state), "key");
        check_damaged(&back->items[0], kind, v);
        weir_coding_free(back);
        if (kind == WEIR_CODEC_AES) {
            back = code(c, 1, weir_value_ref(coded), "yek");
            CHECK(back->items[0].result == WEIR_CODED_CORRUPT);
            weir_coding_free(back);
            back = code(other, 1, weir_value_ref(coded), "key");
            CHECK(back->items[0].result == WEIR_CODED_KEYLESS);
            weir_coding_free(back);
        }
        weir_coding_free(made);
        weir_value_unref(v);
    }
    weir_codec_free(c);
    weir_codec_free(other);
}

/* Heads that announce more than there is take no memory for it. */
static void announce_too_much(void)
{
    char bytes[64] = {(char)0xb7, 'w', 'c', 1};

    for (uint32_t kind = 0; kind < 256; kind++) {
        for (int high = 8; high < 16; high++) {
            struct weir_codec *c = make(WEIR_CODEC_LZ4, 1);
            struct weir_coding *w;

            memset(bytes + 8, 0, 8);
            bytes[4] = (char)kind;
            bytes[high] = 0x40;
            w = code(c, 1, weir_value_copy(bytes, sizeof bytes), "k");
            CHECK(w->items[0].out == NULL || w->items[0].out->size < 1 << 20);
            weir_coding_free(w);
            weir_codec_free(c);
        }
    }
}

int main(void)
{
    uint64_t state = check_seed = weir_now();

    for (uint32_t kind = WEIR_CODEC_ZSTD; kind <= WEIR_CODEC_AES; kind++)
        come_back(kind, &state);
    announce_too_much();
    return 0;
}
