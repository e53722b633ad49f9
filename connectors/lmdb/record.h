/* record.h -- one key and its value in the log: a head, the key, the value.
 *
 * In the log a head has only the bytes that it needs, 7 to 17: flags, the
 * checksum, the value's size, the key's length less one, the expiry. The
 * checksum is of the value. Its seed is the hash of the key, so that a value
 * found under another key does not pass. An expiry of 0 is never. */
#ifndef LMDB_RECORD_H
#define LMDB_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"

enum { RECORD_HEAD_MAX = 17 };

struct record {
    uint32_t head; /* bytes of the head in the log */
    uint32_t sum;
    uint32_t size; /* of the value */
    uint32_t key_len;
    bool timed;          /* the head has room for an expiry */
    uint64_t expires_ms; /* since 1970 */
};

#define RECORD_NEVER ((UINT64_C(1) << 48) - 1)

/* record_encode writes a head and sets r->head. */
void record_encode(struct record *r, uint8_t out[RECORD_HEAD_MAX]);

/* record_read reads a head from the log. 0 or a code of LMDB. */
int record_read(struct log *l, uint64_t pos, struct record *r);

static inline uint64_t record_len(const struct record *r)
{
    return r->head + r->key_len + (uint64_t)r->size;
}

static inline bool record_expired(const struct record *r, uint64_t now_ms)
{
    return r->expires_ms != 0 && r->expires_ms <= now_ms;
}

/* Returns the time to live that is left; 0: it never expires. */
static inline uint64_t record_ttl_ms(const struct record *r, uint64_t now_ms)
{
    return r->expires_ms == 0 ? 0 : r->expires_ms - now_ms;
}

/* Returns when a time to live that begins now ends; 0: never. */
static inline uint64_t record_expiry(uint64_t ttl_ms, uint64_t now_ms)
{
    if (ttl_ms == 0 || ttl_ms >= RECORD_NEVER - now_ms)
        return 0;
    return now_ms + ttl_ms;
}

#endif
