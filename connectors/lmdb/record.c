/* record.c -- see record.h. Numbers are little-endian. */
#include "record.h"

#include <string.h>

enum {
    RECORD_SIZE = 3,     /* flags: bytes of the size, less one */
    RECORD_LONG_KEY = 4, /* the key's length has 2 bytes, else 1 */
    RECORD_TIMED = 8,
    RECORD_FLAGS = 15,
    RECORD_FIXED = 5, /* bytes: flags and checksum */
    RECORD_EXPIRY = 6,
};

static uint32_t record_size_len(uint8_t flags)
{
    return (flags & RECORD_SIZE) + 1u;
}

static uint32_t record_head_len(uint8_t flags)
{
    return RECORD_FIXED + record_size_len(flags) +
           (flags & RECORD_LONG_KEY ? 2 : 1) +
           (flags & RECORD_TIMED ? RECORD_EXPIRY : 0);
}

void record_encode(struct record *r, uint8_t out[RECORD_HEAD_MAX])
{
    uint32_t key = r->key_len - 1;
    uint8_t flags = 0, *at = out + RECORD_FIXED;

    while (record_size_len(flags) < 4 &&
           r->size >> 8 * record_size_len(flags) != 0)
        flags++;
    if (key > UINT8_MAX)
        flags |= RECORD_LONG_KEY;
    if (r->timed)
        flags |= RECORD_TIMED;
    out[0] = flags;
    memcpy(out + 1, &r->sum, sizeof r->sum);
    memcpy(at, &r->size, record_size_len(flags));
    at += record_size_len(flags);
    *at++ = (uint8_t)key;
    if (flags & RECORD_LONG_KEY)
        *at++ = (uint8_t)(key >> 8);
    if (r->timed)
        memcpy(at, &r->expires_ms, RECORD_EXPIRY);
    r->head = record_head_len(flags);
}

static void record_decode(struct record *r, const uint8_t *in)
{
    uint8_t flags = in[0];
    const uint8_t *at = in + RECORD_FIXED;

    *r = (struct record){.head = record_head_len(flags)};
    memcpy(&r->sum, in + 1, sizeof r->sum);
    memcpy(&r->size, at, record_size_len(flags));
    at += record_size_len(flags);
    r->key_len = *at++ + 1u;
    if (flags & RECORD_LONG_KEY)
        r->key_len += (uint32_t)*at++ << 8;
    r->timed = flags & RECORD_TIMED;
    if (r->timed)
        memcpy(&r->expires_ms, at, RECORD_EXPIRY);
}

int record_read(struct log *l, uint64_t pos, struct record *r)
{
    uint8_t copy[RECORD_HEAD_MAX];
    const char *bytes;
    size_t n;
    int rc = log_view(l, pos, &bytes, &n);

    if (rc != 0)
        return rc;
    if ((uint8_t)bytes[0] > RECORD_FLAGS)
        return MDB_CORRUPTED;
    if (n < record_head_len((uint8_t)bytes[0])) {
        rc = log_read(l, pos, copy, record_head_len((uint8_t)bytes[0]));
        bytes = (const char *)copy;
    }
    if (rc == 0)
        record_decode(r, (const uint8_t *)bytes);
    return rc;
}
