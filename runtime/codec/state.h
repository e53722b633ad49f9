/* state.h -- what the codecs share. */
#ifndef WEIR_CODEC_STATE_H
#define WEIR_CODEC_STATE_H

#include <stdbool.h>

#include "codec.h"

enum { HEAD = 16 };

struct weir_codec {
    struct weir_codec_options options;
    struct weir_codec_key *keys;
    void *compress, *decompress; /* the dictionary, prepared by zstd.c */
    _Atomic uint32_t refs;
};

/* head_put writes the head of a coded value. */
void head_put(char *at, uint32_t kind, uint32_t key_id, uint64_t length);

/* head_is says whether a value begins with a head. head_begins says whether it
 * begins with the first bytes of one: if it has no head, it is damaged. */
bool head_is(const struct weir_value *v);
bool head_begins(const struct weir_value *v);

/* An encoder makes the coded value of an item, or stores it. A decoder makes
 * the value of what follows the head, length bytes of it, and returns enum
 * weir_coded. Both set item->out. */
uint32_t zstd_encode(const struct weir_codec *c, struct weir_coding_item *item);
uint32_t zstd_decode(const struct weir_codec *c, struct weir_coding_item *item,
                     uint64_t length);
uint32_t lz4_encode(const struct weir_codec *c, struct weir_coding_item *item);
uint32_t lz4_decode(struct weir_coding_item *item, uint64_t length);
uint32_t xxh3_encode(struct weir_coding_item *item);
uint32_t xxh3_decode(struct weir_coding_item *item, uint64_t length);
uint32_t aes_encode(const struct weir_codec *c, struct weir_coding_item *item);
uint32_t aes_decode(const struct weir_codec *c, struct weir_coding_item *item,
                    uint64_t length);

/* encode_stored puts only a head in front. */
uint32_t encode_stored(struct weir_coding_item *item);

/* encode_shrunk makes the coded value of a compressed one, or stores the value
 * if that is not worth it. size 0: it could not be compressed. */
uint32_t encode_shrunk(const struct weir_codec *c,
                       struct weir_coding_item *item, uint32_t kind,
                       const char *compressed, uint64_t size);

/* zstd_prepare reads the dictionary. zstd_forget frees it. */
int zstd_prepare(struct weir_codec *c, struct weir_error *err);
void zstd_forget(struct weir_codec *c);

#endif
