/* codec.h -- turns values into others and back: compression, checksums,
 * encryption, pieces. For the policy words compress, checksum, crypt and chunk.
 *
 * A coded value begins with a head of 16 bytes:
 *
 *     0  b7 77 63 01  a magic number, and the version of this layout
 *     4  the codec: enum weir_codec_kind
 *     5  the number of the key (crypt), else 0
 *     6  0 0
 *     8  the length of the decoded value, little endian
 *
 * What follows depends on the codec:
 *
 *     stored ... the value as it is
 *     zstd ..... a frame, which names its dictionary if it needs one
 *     lz4 ...... a block
 *     xxh3 ..... XXH3 (64 bits, little endian, seeded with the length), value
 *     aes ...... a nonce (12 bytes), AES-256-GCM of the value, its tag (16).
 *                The head and the key of the store are authenticated, too
 *     pieces ... the length of a piece (8 bytes, little endian), the salt (16)
 *                and XXH3 of all that is before. The pieces are values of keys
 *                of their own, which have the salt in them
 *
 * Errors:  functions return 0 or a negative errno; each item has a result.
 * Threads: a codec may be used by any number of threads at once. A coding
 *          belongs to one thread at a time.
 * Memory:  values are counted references. */
#ifndef WEIR_CODEC_H
#define WEIR_CODEC_H

#include "weir.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* cdef: begin -- plain C only: lua/weir/ffi.lua reads these lines. */

enum weir_codec_kind {
    WEIR_CODEC_STORED = 0,
    WEIR_CODEC_ZSTD,
    WEIR_CODEC_LZ4,
    WEIR_CODEC_XXH3,
    WEIR_CODEC_AES,
    WEIR_CODEC_PIECES,
};

enum { WEIR_CODEC_KEYS = 255 };

struct weir_codec_key {
    uint8_t id, bytes[32];
};

struct weir_codec_options {
    uint32_t kind;   /* what values are coded with */
    int32_t level;   /* of compression; 0: the library's default */
    uint64_t above;  /* smaller values are stored */
    double worth;    /* so are those that do not shrink to this share */
    uint64_t max;    /* bytes of a decoded value, at most */
    uint32_t plain;  /* 1: a value without a head is passed on as it is */
    uint32_t n_keys; /* the first one encrypts, all decrypt */
    const struct weir_codec_key *keys;
    const char *dictionary; /* of zstd, or NULL */
    uint64_t dictionary_size;
};

enum weir_coded {
    WEIR_CODED = 1,
    WEIR_CODED_PLAIN,   /* passed on as it was */
    WEIR_CODED_CORRUPT, /* not what an encoder made, or no longer */
    WEIR_CODED_KEYLESS, /* made with a key that is not known here */
    WEIR_CODED_TOOBIG,  /* larger than max */
    WEIR_CODED_FAILED,  /* out of memory, or the library failed */
};

struct weir_coding_item {
    struct weir_value *in;  /* owned */
    struct weir_value *out; /* owned; NULL unless coded or plain */
    char *key;              /* of the store, owned */
    uint32_t key_len;
    uint32_t result; /* enum weir_coded */
};

/* Values to be coded together. */
struct weir_coding {
    struct weir_codec *codec;
    uint32_t refs, decode, n, reserved;
    uint64_t ns; /* what it took */
    struct weir_coding_item items[1];
};

struct weir_codec;

/* weir_codec_new makes a codec. It copies what the options point at. -EINVAL:
 * err says which option is wrong. -ENOMEM. */
int weir_codec_new(struct weir_codec **out, const struct weir_codec_options *o,
                   struct weir_error *err);

/* weir_codec_read_keys reads a key file into out, which has room for
 * WEIR_CODEC_KEYS keys, and returns how many there are. A line has a number, 1
 * to 255, and 64 hexadecimal digits; "#" begins a comment. -EACCES: others than
 * its owner may use the file. -EINVAL, or an errno of the system. err says what
 * is wrong, without a key. */
int weir_codec_read_keys(const char *path, struct weir_codec_key *out,
                         struct weir_error *err);

/* weir_codec_free frees a codec when no coding uses it any more. */
void weir_codec_free(struct weir_codec *c);

/* weir_coding_new makes a coding of n values, all NULL. NULL: no memory. */
struct weir_coding *weir_coding_new(struct weir_codec *c, int decode,
                                    uint32_t n);

/* weir_coding_put gives the coding a value, whose reference it takes, and a
 * copy of its key. 0 or -ENOMEM. */
int weir_coding_put(struct weir_coding *w, uint32_t i, struct weir_value *v,
                    const char *key, uint32_t key_len);

/* weir_coding_run codes all values. */
void weir_coding_run(struct weir_coding *w);

/* weir_coding_free drops a reference, and with the last one all values.
 * weir_coding_ref makes one. */
void weir_coding_ref(struct weir_coding *w);
void weir_coding_free(struct weir_coding *w);

/* weir_coding_job runs the coding and drops a reference: the function of a
 * weir_job_start. */
void weir_coding_job(void *coding);

/* ---- pieces: a large value under several keys (policy/chunk.lua) ---- */

enum {
    WEIR_CODEC_HEAD = 16,   /* bytes of the head of any coded value */
    WEIR_PIECES_HEAD = 48,  /* bytes of the head of a value in pieces */
    WEIR_PIECES_MAX = 65536 /* pieces of a value, at most */
};

/* What the head of a value in pieces says. */
struct weir_pieces {
    uint64_t length; /* of the value */
    uint64_t piece;  /* of each piece, except that the last may be shorter */
    char salt[16];   /* of the keys of the pieces */
};

enum weir_chunked {
    WEIR_CHUNKED_STORED = 1, /* the value follows the head */
    WEIR_CHUNKED_PIECES,
    WEIR_CHUNKED_PLAIN, /* there is no head */
    WEIR_CHUNKED_CORRUPT,
};

/* weir_pieces_put writes the head of a value in pieces, WEIR_PIECES_HEAD bytes.
 */
void weir_pieces_put(const struct weir_pieces *p, char *head);

/* weir_stored_put writes the head of a value of that length that follows it,
 * WEIR_CODEC_HEAD bytes. */
void weir_stored_put(uint64_t length, char *head);

/* weir_pieces_read says what a value of the store is, and fills in out if it is
 * a head of pieces: 1 to WEIR_PIECES_MAX of them. Returns enum weir_chunked. */
int weir_pieces_read(struct weir_pieces *out, const struct weir_value *v);

/* weir_piece_cut returns a part of a value as a value, without a copy. It keeps
 * a reference to the whole. NULL: out of memory. */
struct weir_value *weir_piece_cut(struct weir_value *v, uint64_t at,
                                  uint64_t size);

/* cdef: end */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
