/* record.h -- one key and its value in the log: this head, the key, the value.
 *
 * The checksum is of the value. Its seed is the hash of the key, so that a
 * value found under another key does not pass. A time of 0 is never. */
#ifndef LMDB_RECORD_H
#define LMDB_RECORD_H

#include <stdbool.h>
#include <stdint.h>

struct record_head {
    uint32_t sum;
    uint32_t size;            /* of the value */
    uint64_t key_len : 16;    /* less one */
    uint64_t expires_ms : 48; /* since 1970 */
};

_Static_assert(sizeof(struct record_head) == 16, "the format of the log");

#define RECORD_NEVER ((UINT64_C(1) << 48) - 1)

static inline uint32_t record_key_len(const struct record_head *r)
{
    return (uint32_t)r->key_len + 1;
}

static inline uint64_t record_len(const struct record_head *r)
{
    return sizeof *r + record_key_len(r) + (uint64_t)r->size;
}

static inline bool record_expired(const struct record_head *r, uint64_t now_ms)
{
    return r->expires_ms != 0 && r->expires_ms <= now_ms;
}

/* Returns the time to live that is left; 0: it never expires. */
static inline uint64_t record_ttl_ms(const struct record_head *r,
                                     uint64_t now_ms)
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
