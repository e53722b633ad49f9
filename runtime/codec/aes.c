/* aes.c -- encryption with AES-256-GCM. Each value has a random nonce, so a key
 * should encrypt at most 2^32 values (NIST SP 800-38D, 8.3): then rotate it. */
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "state.h"

enum { NONCE = 12, TAG = 16, AROUND = HEAD + NONCE + TAG };

/* EVP takes lengths as int. */
static bool is_short(uint64_t length)
{
    return length <= INT_MAX - AROUND;
}

static EVP_CIPHER_CTX *begin(const struct weir_codec_key *key,
                             const char *nonce, const char *head,
                             const struct weir_coding_item *item, bool encrypt)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int n;

    if (context == NULL)
        return NULL;
    if (EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key->bytes,
                          (const unsigned char *)nonce, encrypt) == 1 &&
        EVP_CipherUpdate(context, NULL, &n, (const unsigned char *)head,
                         HEAD) == 1 &&
        (item->key_len == 0 ||
         EVP_CipherUpdate(context, NULL, &n, (const unsigned char *)item->key,
                          (int)item->key_len) == 1))
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

static bool encrypt(EVP_CIPHER_CTX *context, char *to,
                    const struct weir_value *in)
{
    unsigned char *at = (unsigned char *)to;
    int n = 0, last;

    return (in->size == 0 ||
            EVP_CipherUpdate(context, at, &n, (const unsigned char *)in->data,
                             (int)in->size) == 1) &&
           EVP_CipherFinal_ex(context, at + n, &last) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG,
                               at + in->size) == 1;
}

uint32_t aes_encode(const struct weir_codec *c, struct weir_coding_item *item)
{
    const struct weir_value *in = item->in;
    EVP_CIPHER_CTX *context;
    bool made = false;
    char *to;

    if (!is_short(in->size))
        return WEIR_CODED_TOOBIG;
    item->out = weir_value_new(AROUND + in->size, &to);
    if (item->out == NULL)
        return WEIR_CODED_FAILED;
    head_put(to, WEIR_CODEC_AES, c->keys[0].id, in->size);
    if (RAND_bytes((unsigned char *)to + HEAD, NONCE) != 1)
        return WEIR_CODED_FAILED;
    context = begin(&c->keys[0], to + HEAD, to, item, true);
    if (context != NULL)
        made = encrypt(context, to + HEAD + NONCE, in);
    EVP_CIPHER_CTX_free(context);
    return made ? WEIR_CODED : WEIR_CODED_FAILED;
}

static bool decrypt(EVP_CIPHER_CTX *context, char *to, const char *from,
                    int length)
{
    int n = 0, last;

    return (length == 0 ||
            EVP_CipherUpdate(context, (unsigned char *)to, &n,
                             (const unsigned char *)from, length) == 1) &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG,
                               (char *)from + length) == 1 &&
           EVP_CipherFinal_ex(context, (unsigned char *)to + n, &last) == 1;
}

static const struct weir_codec_key *key_of(const struct weir_codec *c,
                                           uint8_t id)
{
    for (uint32_t i = 0; i < c->options.n_keys; i++) {
        if (c->keys[i].id == id)
            return &c->keys[i];
    }
    return NULL;
}

uint32_t aes_decode(const struct weir_codec *c, struct weir_coding_item *item,
                    uint64_t length)
{
    const char *head = item->in->data;
    const struct weir_codec_key *key = key_of(c, (uint8_t)head[5]);
    EVP_CIPHER_CTX *context;
    bool made = false;
    char *to;

    if (item->in->size < AROUND || length != item->in->size - AROUND ||
        !is_short(length))
        return WEIR_CODED_CORRUPT;
    if (key == NULL)
        return WEIR_CODED_KEYLESS;
    item->out = weir_value_new(length, &to);
    if (item->out == NULL)
        return WEIR_CODED_FAILED;
    context = begin(key, head + HEAD, head, item, false);
    if (context != NULL)
        made = decrypt(context, to, head + HEAD + NONCE, (int)length);
    EVP_CIPHER_CTX_free(context);
    return made ? WEIR_CODED : WEIR_CODED_CORRUPT;
}
